/* What every file of the checks uses: programs at CPL 0 and at CPL 3 are to behave
   alike, and where they do not, the check says in which way. */

#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* This program, where the kernel runs it in ring 0 and where never. */
#define TRUSTED "/trusted/checks"
#define PLAIN "/user/checks"

/* Addresses: of the kernel and unmapped, of nobody, of the kernel's text, which the
   fragment platform.config puts there, of memory as the kernel maps it: the megabyte
   below itself, since its own text and constants are read-only there too. */
#define UNMAPPED 0xffffff0000001000UL
#define NONCANONICAL 0x8000000000001000UL
#define KERNEL_TEXT 0xffffffff80200000UL
#define KERNEL_DATA 0xffff888000100000UL

/* The ring that this program has to run in, and the one below /trusted. */
extern unsigned ring, trusted_ring;

/* What the last signal told. */
struct caught {
	volatile int signal, code;
	void *volatile address;
	volatile unsigned ring;
	volatile unsigned long cs, error;
};
extern struct caught caught;
extern sigjmp_buf back;

/* The ring that the processor is in. */
unsigned current_ring(void);
/* Counts a check and prints it. */
void check(int holds, const char *what);
/* Catches the signals of faults, on the given options of sigaction. */
void catch_faults(int options);
/* Gives them back to the kernel. */
void default_faults(void);
/* How a child ended. */
int status_of(pid_t pid);
/* The ring in which a program says that it runs, by its status; -1 if none. */
int ring_of(const char *program);
/* SIGALRM each so many microseconds, counted; 0 for none any more. */
void alarm_each(long microseconds, int options);
extern volatile int alarms;

/* The code raises the signal, and its handler runs in our ring. */
#define RAISES(number, what, ...)                                              \
	do {                                                                   \
		caught.signal = 0;                                             \
		if (!sigsetjmp(back, 1)) {                                     \
			__VA_ARGS__;                                           \
		}                                                              \
		check(caught.signal == (number) && caught.ring == ring, what); \
	} while (0)

/* How a child ends that runs the code with nothing caught. */
#define CHILD(...)                       \
	({                               \
		pid_t child_ = fork();   \
		if (!child_) {           \
			default_faults(); \
			__VA_ARGS__;     \
			_exit(0);        \
		}                        \
		status_of(child_);       \
	})

static inline int killed_by(int status, int number)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

static inline int ended_with(int status, int number)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == number;
}

/* The groups of checks. */
void check_faults(void);
void check_signals(void);
void check_calls(void);
void check_cancellation(void);
void check_processes(void);
void check_memory(void);
void check_policy(void);
void check_tracing(void);
void check_wild(void);
void check_storm(void);

#endif
