/* The checks as PID 1: sets up the little that they need, runs them outside and
   inside of /trusted, and switches the machine off. The kernel's command line says
   what: "trusted_ring=0" or 3, the ring below /trusted; "crash=HOW" instead. */

#include "check.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int run(const char *program, const char *first, const char *second)
{
	pid_t pid = fork();

	if (!pid) {
		execl(program, "checks", first, second, (char *)0);
		_exit(97);
	}
	return status_of(pid);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		perror("checks: switching on the loopback interface");
	close(fd);
}

/* What a kernel of tests/kml has counted. */
static void tell_counts(void)
{
	char text[200];
	int fd = open("/proc/kmltest", O_RDONLY);
	ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text);

	if (length > 0)
		fwrite(text, 1, length, stdout);
	close(fd);
}

int be_init(void)
{
	const char *trusted = getenv("trusted_ring"), *how = getenv("crash");

	mount("proc", "/proc", "proc", 0, 0);
	loopback_up();
	if (how) {
		printf("checks: the program ended with status %#x\n", run(TRUSTED, "crash", how));
	} else if (trusted) {
		printf("checks: begin\n");
		run(PLAIN, "3", trusted);
		run(TRUSTED, trusted, trusted);
	}
	tell_counts();
	printf("checks: the system still runs\n");
	reboot(RB_POWER_OFF);
	return 1;
}
