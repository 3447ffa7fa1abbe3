/* Exceptions as fast as they come, under a fast timer, with data below RSP. A host that
   sends NMIs meanwhile hits every part of the way in and out. */

#include "check.h"


#define SECONDS 2

static volatile long undefined, breakpoints, writes;

static void on_fault(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (number == SIGILL) {
		undefined++;
		registers[REG_RIP] += 2;
	} else if (number == SIGTRAP) {
		breakpoints++;
	} else {
		writes++;
		mprotect((void *)((unsigned long)info->si_addr & ~4095UL), 4096,
			 PROT_READ | PROT_WRITE);
	}
}

/* Two exceptions with data below RSP; 0 if it stayed. */
static __attribute__((noinline)) long two_exceptions(void)
{
	long lost = 0;

	__asm__ volatile("mov $0x5a5a, %%rax\n"
			 "mov %%rax, -8(%%rsp)\n"
			 "mov %%rax, -120(%%rsp)\n"
			 "ud2\n"
			 "int3\n"
			 "cmp %%rax, -8(%%rsp)\n"
			 "jne 1f\n"
			 "cmp %%rax, -120(%%rsp)\n"
			 "je 2f\n"
			 "1: mov $1, %0\n"
			 "2:"
			 : "+r"(lost)::"rax", "memory", "cc");
	return lost;
}

void check_storm(void)
{
	static const int caught_here[] = { SIGILL, SIGTRAP, SIGSEGV };
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };
	char *pages = mmap(0, 64 << 12, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	time_t end = time(0) + SECONDS;
	long rounds = 0, lost = 0;

	action.sa_sigaction = on_fault;
	for (int i = 0; i < 3; i++)
		sigaction(caught_here[i], &action, 0);
	alarm_each(1000, SA_RESTART);
	while (time(0) < end) {
		lost += two_exceptions();
		pages[(rounds % 64) << 12] = rounds;
		if (rounds % 64 == 63)
			mprotect(pages, 64 << 12, PROT_READ);
		syscall(SYS_getppid);
		rounds++;
	}
	alarm_each(0, 0);
	catch_faults(0);
	munmap(pages, 64 << 12);
	check(rounds > 0 && !lost, "data below RSP survives a storm");
	check(undefined == rounds && breakpoints == rounds && writes > 0, "no exception is lost");
}
