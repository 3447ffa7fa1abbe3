/* Tracing: nobody looks into a program in ring 0; elsewhere it works as ever. */

#include "check.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

/* A child of our ring that waits for its end. */
static pid_t waiting_child(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void nobody_looks_in(void)
{
	pid_t pid = waiting_child();
	char path[64], byte;
	struct iovec here = { &byte, 1 }, there = { &caught, 1 };

	check(ended_with(CHILD(_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM)), 1),
	      "a child cannot ask to be traced");
	check(ptrace(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM, "nor can it be");
	check(ptrace(PTRACE_SEIZE, pid, 0, 0) == -1 && errno == EPERM, "nor be seized");
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	check(open(path, O_RDWR) == -1, "its memory cannot be opened");
	check(process_vm_writev(pid, &here, 1, &there, 1, 0) == -1, "nor written");
	kill(pid, SIGKILL);
	status_of(pid);
}

static void registers_and_steps(void)
{
	struct user_regs_struct registers = { 0 };
	pid_t pid = fork();
	int status, steps = 0;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(7);
	}
	status = status_of(pid);
	check(WIFSTOPPED(status) && !ptrace(PTRACE_GETREGS, pid, 0, &registers) &&
		      registers.cs == 0x33 && registers.ss == 0x2b, "registers of a child");
	while (WIFSTOPPED(status) && steps < 200 && !ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) {
		status = status_of(pid);
		steps++;
	}
	check(steps > 20, "steps of a child");
	if (WIFSTOPPED(status) && !ptrace(PTRACE_CONT, pid, 0, 0))
		status = status_of(pid);
	check(ended_with(status, 7), "a traced child ends as it would");
}

static void calls(void)
{
	pid_t pid = fork();
	int status, stops = 0;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		getppid();
		_exit(9);
	}
	status = status_of(pid);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	while (WIFSTOPPED(status) && !ptrace(PTRACE_SYSCALL, pid, 0, 0)) {
		status = status_of(pid);
		stops += WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
	}
	check(stops >= 3 && ended_with(status, 9), "calls of a child");
}

static void a_traced_program_is_not_trusted(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(TRUSTED, "checks", "ring", (char *)0);
		_exit(99);
	}
	status = status_of(pid);
	while (WIFSTOPPED(status) && !ptrace(PTRACE_CONT, pid, 0, 0))
		status = status_of(pid);
	check(ended_with(status, 3), "a program below /trusted that is traced");
}

/* A program in ring 0 that waits, seen from outside. */
static void a_trusted_program_is_not_traced(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl(TRUSTED, "checks", "crash", "wait", (char *)0);
		_exit(99);
	}
	usleep(200000);
	check((ptrace(PTRACE_ATTACH, pid, 0, 0) == -1) == (trusted_ring == 0),
	      "a program below /trusted, traced from outside");
	kill(pid, SIGKILL);
	status_of(pid);
}

void check_tracing(void)
{
	if (ring == 0) {
		nobody_looks_in();
		return;
	}
	registers_and_steps();
	calls();
	a_traced_program_is_not_trusted();
	a_trusted_program_is_not_traced();
}
