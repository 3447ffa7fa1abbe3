/* Cancellation points of threads: a call that has begun is told from one that has
   not by the program counter, which the kernel's entry must not hide. */

#include "check.h"

#include <pthread.h>

static int ends[2];

static void *read_for_ever(void *ready)
{
	char byte;

	*(volatile int *)ready = 1;
	for (;;)
		if (read(ends[0], &byte, 1) == 1)
			return 0;
}

/* Cancels a thread somewhere before, in or behind its call. */
static int cancelled(int delay)
{
	volatile int ready = 0;
	pthread_t thread;
	void *result = 0;

	if (pthread_create(&thread, 0, read_for_ever, (void *)&ready))
		return 0;
	while (!ready)
		sched_yield();
	for (volatile int i = 0; i < delay; i++)
		;
	pthread_cancel(thread);
	pthread_join(thread, &result);
	return result == PTHREAD_CANCELED;
}

static void *sum(void *counter)
{
	for (int i = 0; i < 2000; i++) {
		__sync_fetch_and_add((int *)counter, 1);
		if (i % 50 == 0)
			sched_yield();
	}
	return (void *)(long)current_ring();
}

static void threads(void)
{
	pthread_t thread[8];
	int counter = 0, wrong = 0;
	void *in;

	for (int i = 0; i < 8; i++)
		wrong |= pthread_create(&thread[i], 0, sum, &counter);
	for (int i = 0; i < 8; i++) {
		wrong |= pthread_join(thread[i], &in);
		wrong |= (unsigned long)in != ring;
	}
	check(!wrong && counter == 16000, "eight threads in the same ring");
}

void check_cancellation(void)
{
	int done = 0;

	threads();
	check(!pipe(ends), "a pipe");
	for (int i = 0; i < 300; i++)
		done += cancelled(i * 37 % 5000);
	check(done == 300, "three hundred threads are cancelled in read");
	close(ends[0]);
	close(ends[1]);
}
