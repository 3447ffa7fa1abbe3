/*
 * writer PROGRAM ARGUMENT...: says of each place whether it can write there. It ends the
 * first time, so that it is started again, and then becomes the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char first[] = "/tmp/first";
	static const char *const places[] = {
		"/x", "/etc/x", "/srv/x", "/dev/x", "/sys/x", "/proc/self/comm", "/run/x",
	};

	if (argc < 2)
		return 1;
	if (open(first, O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0) {
		for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
			int fd = open(places[i], O_WRONLY | O_CREAT, 0600);

			dprintf(1, "writer: %s: %s\n", places[i], fd < 0 ? strerror(errno) : "written");
		}
		return 0;
	}
	execv(argv[1], argv + 1);
	return 1;
}
