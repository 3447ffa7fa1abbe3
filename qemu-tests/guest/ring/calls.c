/* System calls: by SYSCALL and by a jump, they are the same. */

#include "check.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/socket.h>

/* The kernel's entry, 0 in user mode. */
static unsigned long entry;

/* What a call left in the registers that it has to leave alone. */
struct kept {
	unsigned long rbx, rbp, rdi, rsi, rdx, r8, r9, r10, r12, r13, r14, r15;
};

/* Fills every register, calls, and stores them; by a jump if `entry` is given. */
static long call_keeping(struct kept *kept, unsigned long entry_or_0)
{
	long result = SYS_getpid;
	register struct kept *place __asm__("r11") = kept;

	__asm__ volatile(
		"sub $256, %%rsp; push %%rbx; push %%rbp; push %%r11\n"
		"mov %2, %%rcx; push %%rcx\n"
		"mov $1, %%ebx; mov $2, %%ebp; mov $3, %%edi; mov $4, %%esi; mov $5, %%edx\n"
		"mov $6, %%r8d; mov $7, %%r9d; mov $8, %%r10d; mov $9, %%r12d; mov $10, %%r13d\n"
		"mov $11, %%r14d; mov $12, %%r15d\n"
		"pop %%r11; test %%r11, %%r11; jz 1f\n"
		"lea 2f(%%rip), %%rcx; jmp *%%r11\n"
		"1: syscall\n"
		"2: pop %%r11\n"
		"mov %%rbx, 0(%%r11); mov %%rbp, 8(%%r11); mov %%rdi, 16(%%r11); mov %%rsi, 24(%%r11)\n"
		"mov %%rdx, 32(%%r11); mov %%r8, 40(%%r11); mov %%r9, 48(%%r11); mov %%r10, 56(%%r11)\n"
		"mov %%r12, 64(%%r11); mov %%r13, 72(%%r11); mov %%r14, 80(%%r11); mov %%r15, 88(%%r11)\n"
		"pop %%rbp; pop %%rbx; add $256, %%rsp"
		: "+a"(result), "+r"(place)
		: "r"(entry_or_0)
		: "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r12", "r13", "r14", "r15",
		  "memory", "cc");
	return result;
}

static int is_kept(const struct kept *kept)
{
	const unsigned long *values = (const unsigned long *)kept;

	for (unsigned long i = 0; i < sizeof *kept / sizeof *values; i++)
		if (values[i] != i + 1)
			return 0;
	return 1;
}

static volatile int signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void registers(void)
{
	struct kept kept = { 0 };

	check(call_keeping(&kept, 0) == getpid() && is_kept(&kept), "SYSCALL keeps the registers");
	entry = getauxval(AT_SYSINFO);
	check(!entry == (ring != 0), "the kernel tells its entry in ring 0 only");
	if (!entry)
		return;
	memset(&kept, 0, sizeof kept);
	check(call_keeping(&kept, entry) == getpid() && is_kept(&kept), "a jump keeps them");
}

/* A jump to the entry that would return to this address. */
static void enter_returning_to(unsigned long address)
{
	__asm__ volatile("mov $39, %%eax; mov %0, %%rcx; jmp *%1" ::"r"(address), "r"(entry)
			 : "rax", "rcx", "r11", "memory");
}

static void wrong_calls(void)
{
	check(syscall(100000) == -1 && errno == ENOSYS, "a call that does not exist");
	check(syscall(-1L) == -1 && errno == ENOSYS, "a call of a negative number");
	if (!entry)
		return;
	RAISES(SIGSEGV, "a call that returns to address 0", enter_returning_to(0));
	RAISES(SIGSEGV, "a call that returns to nowhere", enter_returning_to(NONCANONICAL));
	RAISES(SIGSEGV, "a call that returns to the kernel", enter_returning_to(UNMAPPED));
}

/* A call with flags set that only SYSCALL masks; they are clear behind it. */
static long call_with(unsigned long flags, long number, long first, long second, long third)
{
	__asm__ volatile("mov %4, %%r11; lea 2f(%%rip), %%rcx\n"
			 "lea -128(%%rsp), %%rsp; pushfq; or %5, (%%rsp); popfq\n"
			 "lea 128(%%rsp), %%rsp\n"
			 "test %%r11, %%r11; jz 1f; jmp *%%r11\n"
			 "1: syscall\n"
			 "2: lea -128(%%rsp), %%rsp; pushfq; andq $~0x4400, (%%rsp); popfq\n"
			 "lea 128(%%rsp), %%rsp"
			 : "+a"(number)
			 : "D"(first), "S"(second), "d"(third), "r"(entry), "r"(flags)
			 : "rcx", "r11", "memory", "cc");
	return number;
}

/* While the kernel runs with DF it copies backwards. The text is another each time: a
   page of the pipe may still hold the last one. */
static int echoes(unsigned long flags)
{
	char out[4096], in[4096] = "";
	int ends[2], same;

	memset(out, flags ? 'c' : 'a', sizeof out);
	out[0] = 'b';
	if (pipe(ends) || call_with(flags, SYS_write, ends[1], (long)out, sizeof out) != sizeof out)
		return 0;
	same = read(ends[0], in, sizeof in) == sizeof in && !memcmp(in, out, sizeof in);
	close(ends[0]);
	close(ends[1]);
	return same;
}

/* While it runs with NT the return by IRETQ to a signal's handler fails. */
static int is_signalled(unsigned long flags)
{
	struct sigaction action = { .sa_handler = count_signal };

	sigaction(SIGUSR1, &action, 0);
	signals = 0;
	return !call_with(flags, SYS_kill, getpid(), SIGUSR1, 0) && signals == 1;
}

static void flags(void)
{
	check(echoes(0) && is_signalled(0), "calls by hand");
	check(echoes(0x400), "a call with the flag DF");
	check(is_signalled(0x4000), "a call with the flag NT");
}

/* Calls under a fast timer: each signal may come before, in, or behind the entry. */
static void interrupted_calls(void)
{
	long wrong = 0;
	pid_t self = getpid();

	alarms = 0;
	alarm_each(500, SA_RESTART);
	while (alarms < 400)
		for (int i = 0; i < 100; i++)
			wrong += syscall(SYS_getpid) != self;
	alarm_each(0, 0);
	check(!wrong, "calls under four hundred signals");
}

static void bases(void)
{
	static long value = 0x1234;
	long found;
	int status;

	syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, &value);
	for (int i = 0; i < 1000; i++)
		syscall(SYS_getppid);
	sched_yield();
	__asm__ volatile("mov %%gs:0, %0" : "=r"(found));
	check(found == 0x1234, "the program's GS is kept over calls");
	check(syscall(SYS_arch_prctl, 0x1001, KERNEL_DATA) == -1 && errno == EPERM,
	      "GS cannot be set to an address of the kernel");
	status = CHILD(__asm__ volatile("mov %%gs:0, %0" : "=r"(found)); _exit(found == 0x1234));
	check(ended_with(status, 1), "and over fork");
	syscall(SYS_arch_prctl, 0x1001, 0);
}

static void clocks(void)
{
	struct timespec first, last;

	clock_gettime(CLOCK_MONOTONIC, &first);
	for (int i = 0; i < 1000; i++)
		clock_gettime(CLOCK_MONOTONIC, &last);
	check(last.tv_sec > first.tv_sec ||
		      (last.tv_sec == first.tv_sec && last.tv_nsec >= first.tv_nsec),
	      "the vDSO's clock");
}

/* The other end of the echo. */
static int client(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char bytes[100] = "";

	if (connect(fd, (const void *)address, sizeof *address))
		return 1;
	for (int round = 0; round < 500; round++) {
		if (write(fd, bytes, sizeof bytes) != sizeof bytes)
			return 2;
		for (size_t count = 0; count < sizeof bytes;) {
			ssize_t got = read(fd, bytes + count, sizeof bytes - count);

			if (got <= 0)
				return 3;
			count += got;
		}
	}
	return 0;
}

static void network(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof address;
	int listening = socket(AF_INET, SOCK_STREAM, 0), fd, echoed = 0;
	char bytes[100];
	pid_t pid;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(!bind(listening, (void *)&address, length) && !listen(listening, 5) &&
		      !getsockname(listening, (void *)&address, &length), "a socket that listens");
	pid = fork();
	if (!pid)
		_exit(client(&address));
	fd = accept(listening, 0, 0);
	for (;;) {
		struct pollfd wanted = { fd, POLLIN, 0 };
		ssize_t count = poll(&wanted, 1, 5000) == 1 ? read(fd, bytes, sizeof bytes) : 0;

		if (count <= 0 || write(fd, bytes, count) != count)
			break;
		echoed += count;
	}
	check(ended_with(status_of(pid), 0) && echoed == 50000, "an echo over TCP");
	close(fd);
	close(listening);
}

void check_calls(void)
{
	registers();
	wrong_calls();
	flags();
	interrupted_calls();
	bases();
	clocks();
	network();
}
