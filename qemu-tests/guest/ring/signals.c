/* Signals and interrupts: what they leave alone, and where they come. */

#include "check.h"

/* Keeps data below RSP, where a leaf function may; gives 0 if all stayed. */
static __attribute__((noinline)) long red_zone(long rounds)
{
	long lost = 0;

	__asm__ volatile("1: mov $0x1111, %%rax\n"
			 "mov %%rax, -8(%%rsp)\n"
			 "mov %%rax, -64(%%rsp)\n"
			 "mov %%rax, -128(%%rsp)\n"
			 "mov $200, %%ecx\n"
			 "2: dec %%ecx\n"
			 "jnz 2b\n"
			 "cmp %%rax, -8(%%rsp)\n"
			 "jne 3f\n"
			 "cmp %%rax, -64(%%rsp)\n"
			 "jne 3f\n"
			 "cmp %%rax, -128(%%rsp)\n"
			 "jne 3f\n"
			 "dec %1\n"
			 "jnz 1b\n"
			 "jmp 4f\n"
			 "3: mov $1, %0\n"
			 "4:"
			 : "+r"(lost), "+r"(rounds)::"rax", "rcx", "memory", "cc");
	return lost;
}

/* Counts down with a stack pointer where no stack is. */
static __attribute__((noinline)) void without_a_stack(unsigned long pointer, long rounds)
{
	__asm__ volatile("mov %%rsp, %%r12\n"
			 "mov %1, %%rsp\n"
			 "1: dec %0\n"
			 "jnz 1b\n"
			 "mov %%r12, %%rsp"
			 : "+r"(rounds) : "r"(pointer) : "r12", "memory", "cc");
}

static void stacks(void)
{
	long lost = 0;

	alarms = 0;
	alarm_each(2000, SA_RESTART);
	while (alarms < 100)
		lost |= red_zone(2000);
	alarm_each(0, 0);
	check(!lost, "the red zone survives a hundred signals");
	without_a_stack(0x10, 50000000);
	without_a_stack(UNMAPPED, 50000000);
	without_a_stack(NONCANONICAL, 50000000);
	without_a_stack(KERNEL_TEXT + 64, 50000000);
	check(1, "interrupts come where no stack is");
}

static void restarts(void)
{
	struct timespec nap = { 0, 100000000 }, rest = { 0, 0 };
	int ends[2];
	char byte = 0;
	pid_t pid;

	check(!pipe(ends), "a pipe");
	pid = fork();
	if (!pid) {
		usleep(150000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	alarms = 0;
	alarm_each(20000, SA_RESTART);
	check(read(ends[0], &byte, 1) == 1 && byte == 'x', "a call is restarted");
	check(alarms > 3, "signals came meanwhile");
	alarm_each(0, 0);
	status_of(pid);
	alarm_each(20000, 0);
	check(read(ends[0], &byte, 1) == -1 && errno == EINTR, "a call is interrupted");
	check(nanosleep(&nap, &rest) == -1 && errno == EINTR && rest.tv_nsec > 0,
	      "a sleep tells what is left");
	alarm_each(0, 0);
	close(ends[0]);
	close(ends[1]);
}

static __attribute__((noinline, optimize("O0"))) void recurse(int depth)
{
	volatile char page[4096];

	page[0] = page[4095] = depth;
	if (depth)
		recurse(depth - 1);
}

static void other_stack(void)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

	sigaltstack(&stack, 0);
	catch_faults(SA_ONSTACK);
	RAISES(SIGSEGV, "an overflow of the stack is caught on another one", recurse(1 << 20));
	catch_faults(0);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, 0);
	free(stack.ss_sp);
	recurse(200);
	check(1, "the stack grows");
}

/* Points RIP where none can be. */
static void spoil(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = NONCANONICAL;
}

static void bad_frames(void)
{
	struct sigaction spoiling = { .sa_flags = SA_SIGINFO };
	struct sigaction counting = { .sa_handler = SIG_DFL };
	int status;

	spoiling.sa_sigaction = spoil;
	status = CHILD(sigaction(SIGUSR1, &spoiling, 0); raise(SIGUSR1));
	check(killed_by(status, SIGSEGV), "a return from a signal to nowhere");
	status = CHILD(sigaction(SIGSEGV, &counting, 0);
		       __asm__ volatile("mov $0x2000, %%rsp; push %%rax" ::: "memory"));
	check(killed_by(status, SIGSEGV), "a fault with no stack for its signal");
}

static volatile int steps, steps_in_the_kernel;

static void step(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	steps++;
	if (((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] < 0)
		steps_in_the_kernel++;
}

static void single_steps(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	pid_t parent = getppid();
	int same = 0;

	action.sa_sigaction = step;
	sigaction(SIGTRAP, &action, 0);
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orl $0x100, (%%rsp); popfq;"
			 "lea 128(%%rsp), %%rsp" ::: "memory", "cc");
	for (int i = 0; i < 20; i++)
		same += syscall(SYS_getppid) == parent;
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andl $~0x100, (%%rsp); popfq;"
			 "lea 128(%%rsp), %%rsp" ::: "memory", "cc");
	catch_faults(0);
	check(same == 20 && steps > 200, "single steps over twenty calls");
	check(!steps_in_the_kernel, "no step shows an address of the kernel");
}

void check_signals(void)
{
	stacks();
	restarts();
	other_stack();
	bad_frames();
	single_steps();
}
