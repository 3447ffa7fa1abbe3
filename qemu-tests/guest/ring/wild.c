/* What a program does that has gone wrong. In user mode each of these ends it by a
   signal. In ring 0 most do, too; what does not is pinned here, and listed in
   docs/kml.md. */

#include "check.h"

/* With the stack pointer there, pushes a word; tells how the child ended. */
static int push_at(unsigned long pointer)
{
	return CHILD(__asm__ volatile("mov %0, %%rsp; push %%rax" ::"r"(pointer) : "memory"));
}

static void stack_pointers(void)
{
	pid_t pid;
	int status;

	check(killed_by(push_at(0x1000), SIGSEGV), "a push where nothing is mapped");
	check(killed_by(push_at(UNMAPPED), SIGSEGV), "a push where the kernel has nothing");
	status = push_at(NONCANONICAL);
	check(killed_by(status, SIGBUS) || killed_by(status, SIGSEGV), "a push nowhere");
	pid = fork();
	if (!pid)
		__asm__ volatile("mov %0, %%rsp; 1: jmp 1b" ::"r"(UNMAPPED));
	usleep(50000);
	kill(pid, SIGKILL);
	check(killed_by(status_of(pid), SIGKILL), "a loop without a stack is killed");
	status = CHILD(alarm_each(20000, 0);
		       __asm__ volatile("mov %0, %%rsp; 1: jmp 1b" ::"r"(KERNEL_DATA + 4096)));
	check(killed_by(status, SIGSEGV), "a signal is not put on a stack in the kernel");
}

/* The first `ret` in the kernel's text. */
static void return_in_the_kernel(void)
{
	const volatile unsigned char *code = (void *)KERNEL_TEXT;

	while (*code != 0xc3)
		code++;
	((void (*)(void))code)();
}

/* In user mode the signal; in ring 0 it is carried out, and the program goes on. */
#define PRIVILEGED(what, ...)                                                \
	do {                                                                 \
		caught.signal = 0;                                           \
		if (!sigsetjmp(back, 1)) {                                   \
			__VA_ARGS__;                                         \
		}                                                            \
		check(caught.signal == (ring ? SIGSEGV : 0), what);          \
	} while (0)

static void privileged_instructions(void)
{
	unsigned long value = 0;

	PRIVILEGED("reading the kernel's text", (void)*(volatile int *)KERNEL_TEXT);
	PRIVILEGED("writing to the kernel's data",
		   __asm__ volatile("lock orq $0, (%0)" ::"r"(KERNEL_DATA) : "memory", "cc"));
	PRIVILEGED("calling code of the kernel", return_in_the_kernel());
	PRIVILEGED("an interrupt by software", __asm__ volatile("int $0x80"));
	PRIVILEGED("reading CR3", __asm__ volatile("mov %%cr3, %0" : "=r"(value)));
	PRIVILEGED("reading the EFER register",
		   __asm__ volatile("rdmsr" ::"c"(0xc0000080) : "eax", "edx"));
	PRIVILEGED("writing to port 0x80", __asm__ volatile("out %%al, $0x80" ::"a"(0)));
	PRIVILEGED("halting until the next interrupt", __asm__ volatile("hlt"));
	PRIVILEGED("flushing an address", __asm__ volatile("invlpg (%0)" ::"r"(0)));
}

/* Interrupts that are off are on again behind the next call. */
static void interrupts_off(void)
{
	unsigned long flags = 0;

	PRIVILEGED("switching interrupts off", __asm__ volatile("cli"));
	getppid();
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; pop %0; lea 128(%%rsp), %%rsp"
			 : "=r"(flags));
	check(flags & 0x200, "they are on behind a call");
}

/* In ring 0 a signal's frame cannot lead to a segment of 32 bits: there is none. */
static void change_segment(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	(void)info;
	registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~0xffffL) | 0x23;
}

static void other_segments(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	int status;

	action.sa_sigaction = change_segment;
	status = CHILD(sigaction(SIGUSR1, &action, 0); raise(SIGUSR1); _exit(5));
	check(ended_with(status, 5) == !ring, "a signal's frame with a segment of 32 bits");
}

void check_wild(void)
{
	stack_pointers();
	privileged_instructions();
	interrupts_off();
	other_segments();
}

/* What nothing stops in ring 0; in user mode the signal ends it. */
int crash(const char *how)
{
	if (!strcmp(how, "wait"))
		for (;;)
			pause();
	printf("checks: about to do `%s` in ring %u\n", how, current_ring());
	if (!strcmp(how, "both"))
		__asm__ volatile("mov %0, %%rsp; jmp *%1" ::"r"(UNMAPPED + 0x1000), "r"(UNMAPPED));
	if (!strcmp(how, "hang"))
		__asm__ volatile("cli; 1: jmp 1b");
	return 96;
}
