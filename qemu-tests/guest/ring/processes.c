/* Processes: they begin, end and are switched between, in either ring. */

#include "check.h"

static void forks(void)
{
	int value = 1, right = 0;
	int status = CHILD(value = 2; _exit(current_ring() == ring ? 42 : 1));

	check(ended_with(status, 42) && value == 1, "a child has its own memory and our ring");
	for (int i = 0; i < 200; i++)
		right += ended_with(CHILD(_exit(i & 0x7f)), i & 0x7f);
	check(right == 200, "two hundred children");
}

static void kills(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			;
	usleep(30000);
	kill(pid, SIGKILL);
	check(killed_by(status_of(pid), SIGKILL), "a child that does nothing but run is killed");
	check(killed_by(CHILD(*(volatile int *)0 = 1), SIGSEGV), "a fault kills who catches none");
}

static double harmonic(int terms)
{
	double sum = 0;

	for (int i = 1; i < terms; i++) {
		sum += 1.0 / i;
		if (i % 30000 == 0)
			sched_yield();
	}
	return sum;
}

static void floating_point(void)
{
	int ends[2];
	double other = 0, own;
	pid_t pid;

	check(!pipe(ends), "a pipe");
	pid = fork();
	own = harmonic(300000);
	if (!pid)
		_exit(write(ends[1], &own, sizeof own) != sizeof own);
	check(read(ends[0], &other, sizeof other) == sizeof other && own == other,
	      "numbers in two processes that take turns");
	status_of(pid);
	close(ends[0]);
	close(ends[1]);
}

void check_processes(void)
{
	forks();
	kills();
	floating_point();
}
