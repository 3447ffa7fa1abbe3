/* The means of the checks. */

#include "check.h"

#include <sys/personality.h>

unsigned ring, trusted_ring;
struct caught caught;
sigjmp_buf back;
volatile int alarms;
static int passed, failed;

unsigned current_ring(void)
{
	unsigned long cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	return cs & 3;
}

void check(int holds, const char *what)
{
	if (holds)
		passed++;
	else
		failed++;
	if (!holds)
		printf("checks: FAILED in ring %u: %s (signal %d, code %d, errno %d)\n",
		       ring, what, caught.signal, caught.code, errno);
}

static void keep(int number, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	caught.signal = number;
	caught.code = info->si_code;
	caught.address = info->si_addr;
	caught.ring = current_ring();
	caught.cs = registers[REG_CSGSFS] & 0xffff;
	caught.error = registers[REG_ERR];
	siglongjmp(back, 1);
}

static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };

void catch_faults(int options)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | options };

	action.sa_sigaction = keep;
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		sigaction(faults[i], &action, 0);
}

void default_faults(void)
{
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		signal(faults[i], SIG_DFL);
}

int status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int ring_of(const char *program)
{
	int status = CHILD(execl(program, "checks", "ring", (char *)0); _exit(99));

	return WIFEXITED(status) && WEXITSTATUS(status) < 4 ? WEXITSTATUS(status) : -1;
}

static void count(int number)
{
	(void)number;
	alarms++;
}

void alarm_each(long microseconds, int options)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = options };
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };

	sigaction(SIGALRM, &action, 0);
	setitimer(ITIMER_REAL, &timer, 0);
}

static int run(void)
{
	check(current_ring() == ring, "the program runs in its ring");
	catch_faults(0);
	check_faults();
	check_signals();
	check_calls();
	check_cancellation();
	check_processes();
	check_memory();
	check_policy();
	check_tracing();
	check_wild();
	check_storm();
	printf("checks: ring %u: %d passed, %d failed\n", ring, passed, failed);
	return failed != 0;
}

int be_init(void);
int crash(const char *how);

/* checks ring              ends with the number of its ring
   checks personality       ends with 1 if it inherited one
   checks RING TRUSTED-RING runs the checks
   checks crash HOW         does what nothing stops in ring 0 */
int main(int count, char **words)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (getpid() == 1)
		return be_init();
	if (count == 2 && !strcmp(words[1], "ring"))
		return current_ring();
	if (count == 2 && !strcmp(words[1], "personality"))
		return personality(0xffffffff) != 0;
	if (count != 3)
		return 98;
	if (!strcmp(words[1], "crash"))
		return crash(words[2]);
	ring = atoi(words[1]);
	trusted_ring = atoi(words[2]);
	return run();
}
