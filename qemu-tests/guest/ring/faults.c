/* Faults of the processor: each gives the signal that it gives in user mode. */

#include "check.h"

static void memory_faults(void)
{
	char *read_only = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	RAISES(SIGSEGV, "reading address 0", *(volatile int *)0);
	check(caught.address == 0 && caught.code == SEGV_MAPERR, "it is told where and why");
	check(caught.cs == 0x33, "a signal's frame has the segment of user mode");
	RAISES(SIGSEGV, "writing to address 8", *(volatile int *)8 = 1);
	check(caught.address == (void *)8 && (caught.error & 7) == 6, "it was a write by a program");
	RAISES(SIGSEGV, "writing to a page that is read-only", *(volatile char *)read_only = 1);
	check(caught.code == SEGV_ACCERR, "it is told that the page is there");
	RAISES(SIGSEGV, "reading an unmapped address of the kernel", *(volatile int *)UNMAPPED);
	RAISES(SIGSEGV, "reading an address that is none", *(volatile int *)NONCANONICAL);
	RAISES(SIGSEGV, "writing to the kernel's text", *(volatile int *)KERNEL_TEXT = 0);
	munmap(read_only, 4096);
}

static void past_the_end_of_a_file(void)
{
	int fd = open("/tmp/short", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *pages;

	check(fd >= 0 && !ftruncate(fd, 4096), "a file of one page");
	pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pages[0] = 1;
	RAISES(SIGBUS, "writing past the end of a file", *(volatile char *)(pages + 4096) = 1);
	munmap(pages, 8192);
	close(fd);
}

static void jumps(void)
{
	char *data = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*data = (char)0xc3;
	RAISES(SIGSEGV, "executing data", ((void (*)(void))data)());
	RAISES(SIGSEGV, "jumping to address 0", ((void (*)(void))0)());
	RAISES(SIGSEGV, "jumping to an unmapped address of the kernel",
	       ((void (*)(void))UNMAPPED)());
	RAISES(SIGSEGV, "jumping to an address that is none", ((void (*)(void))NONCANONICAL)());
	RAISES(SIGSEGV, "jumping to the kernel's data", ((void (*)(void))KERNEL_DATA)());
	munmap(data, 4096);
}

static void instructions(void)
{
	RAISES(SIGILL, "an undefined instruction", __asm__ volatile("ud2"));
	RAISES(SIGFPE, "a division by zero",
	       __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; idiv %%ecx" ::
					: "eax", "ecx", "edx"));
	RAISES(SIGTRAP, "a breakpoint", __asm__ volatile("int3"));
	RAISES(SIGTRAP, "a single step",
	       __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orl $0x100, (%%rsp); popfq; nop;"
				"lea 128(%%rsp), %%rsp" ::: "memory", "cc"));
}

static void buffers_of_calls(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char bytes[4] = "";

	check(read(fd, bytes, 4) == 4 && !memcmp(bytes, "\177ELF", 4), "reading a file");
	check(read(fd, (void *)8, 16) == -1 && errno == EFAULT, "a buffer at address 8");
	check(read(fd, (void *)KERNEL_TEXT, 16) == -1 && errno == EFAULT, "a buffer in the kernel");
	check(read(fd, (void *)NONCANONICAL, 16) == -1 && errno == EFAULT, "a buffer nowhere");
	close(fd);
}

void check_faults(void)
{
	memory_faults();
	past_the_end_of_a_file();
	jumps();
	instructions();
	buffers_of_calls();
}
