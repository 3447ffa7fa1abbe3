/* Which programs run in ring 0, and how they are started. */

#include "check.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define COPY "/trusted/copy"

/* A file in memory. */
struct bytes {
	char *start;
	size_t length;
};

/* This program, with room behind it. */
static struct bytes ourselves(void)
{
	int fd = open(PLAIN, O_RDONLY);
	struct stat status = { 0 };
	struct bytes bytes = { 0, 0 };

	if (fd >= 0 && !fstat(fd, &status)) {
		bytes.start = calloc(1, status.st_size + 64);
		bytes.length = read(fd, bytes.start, status.st_size);
	}
	close(fd);
	check(bytes.length > 1000 && bytes.length == (size_t)status.st_size, "reading a program");
	return bytes;
}

static void write_program(const char *path, struct bytes bytes, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	check(fd >= 0 && write(fd, bytes.start, bytes.length) == (ssize_t)bytes.length &&
		      !fchmod(fd, mode), "writing a program");
	close(fd);
}

static void places(struct bytes program)
{
	int status;

	check(ring_of(TRUSTED) == (int)trusted_ring, "a program below /trusted");
	check(ring_of(PLAIN) == 3, "a program elsewhere");
	status = vfork();
	if (!status) {
		execl(PLAIN, "checks", "ring", (char *)0);
		_exit(99);
	}
	check(ended_with(status_of(status), 3), "a program elsewhere, by vfork");
	symlink(PLAIN, "/trusted/link");
	check(ring_of("/trusted/link") == 3, "a link below /trusted that leads elsewhere");
	unlink("/trusted/link");
	symlink(TRUSTED, "/user/link");
	check(ring_of("/user/link") == (int)trusted_ring, "a link that leads below /trusted");
	unlink("/user/link");
	write_program(COPY, program, 0755);
	check(ring_of(COPY) == (int)trusted_ring, "a program that root puts below /trusted");
	chmod(COPY, 0757);
	check(ring_of(COPY) == 3, "one that everybody may write to");
	unlink(COPY);
}

/* What a program inherits that could work on it, as for one that is setuid. */
static void inherited(void)
{
	int status = CHILD(personality(ADDR_NO_RANDOMIZE);
			   execl(TRUSTED, "checks", "personality", (char *)0); _exit(99));

	check(ended_with(status, trusted_ring != 0), "a personality");
	status = CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		       execl(TRUSTED, "checks", "ring", (char *)0); _exit(99));
	check(ended_with(status, 3), "who gains no privileges gains no ring");
}

static void file_systems(struct bytes program)
{
	mkdir("/trusted/other", 0755);
	check(!mount("tmpfs", "/trusted/other", "tmpfs", 0, 0), "another file system");
	write_program("/trusted/other/checks", program, 0755);
	check(ring_of("/trusted/other/checks") == 3, "a program on another file system");
	mount(0, "/trusted/other", 0, MS_REMOUNT | MS_RDONLY, 0);
	check(ring_of("/trusted/other/checks") == 3, "the same, mounted read-only");
	umount("/trusted/other");
	rmdir("/trusted/other");
}

/* A program that names an interpreter: this one, which can be its own. */
static void dynamic(struct bytes program)
{
	const Elf64_Ehdr *header = (void *)program.start;
	Elf64_Phdr *part = (void *)(program.start + header->e_phoff), before;
	int i = 0;

	while (i < header->e_phnum && part[i].p_type != PT_GNU_STACK)
		i++;
	check(i < header->e_phnum, "a header that can be spared");
	before = part[i];
	part[i].p_type = PT_INTERP;
	part[i].p_offset = program.length;
	part[i].p_filesz = sizeof PLAIN;
	memcpy(program.start + program.length, PLAIN, sizeof PLAIN);
	program.length += sizeof PLAIN;
	write_program(COPY, program, 0755);
	check(ring_of(COPY) == 3, "a dynamic program below /trusted");
	part[i] = before;
	unlink(COPY);
}

/* The error of executing a program with one word of its header changed. */
static int error_with_machine(struct bytes program, unsigned machine)
{
	Elf64_Ehdr *header = (void *)program.start;
	unsigned before = header->e_machine;
	int status;

	header->e_machine = machine;
	write_program(COPY, program, 0755);
	header->e_machine = before;
	status = CHILD(execl(COPY, "checks", "ring", (char *)0); _exit(errno));
	unlink(COPY);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void foreign(struct bytes program)
{
	struct bytes text = { "not a program\n", 14 };
	int status;

	check(error_with_machine(program, EM_AARCH64) == ENOEXEC, "a program for another machine");
	check(error_with_machine(program, EM_386) == ENOEXEC, "a program of 32 bits");
	write_program(COPY, text, 0755);
	status = CHILD(execl(COPY, "checks", "ring", (char *)0); _exit(errno));
	check(ended_with(status, ENOEXEC), "a text below /trusted");
	unlink(COPY);
}

void check_policy(void)
{
	struct bytes program = ourselves();

	check(!getauxval(AT_SECURE) == (ring != 0), "in ring 0 the environment decides nothing");
	check(!prctl(PR_GET_DUMPABLE) == !ring, "in ring 0 there is no dump");
	places(program);
	inherited();
	file_systems(program);
	dynamic(program);
	foreign(program);
	free(program.start);
}
