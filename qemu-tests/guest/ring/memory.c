/* Memory: pages come when they are touched. */

#include "check.h"

static void mappings(void)
{
	int wrong = 0;

	for (int i = 0; i < 300; i++) {
		size_t length = 4096 * (1 + i % 64);
		char *pages = mmap(0, length, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memset(pages, i, length);
		mprotect(pages, 4096, PROT_READ);
		wrong |= pages[0] != (char)i || pages[length - 1] != (char)i;
		mmap(pages, length, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		wrong |= pages[length - 1] != 0;
		munmap(pages, length);
	}
	check(!wrong, "three hundred mappings");
}

static void large(void)
{
	static char room[8 << 20];
	size_t right = 0;

	for (size_t at = 0; at < sizeof room; at += 4096)
		room[at] = at >> 12;
	for (size_t at = 0; at < sizeof room; at += 4096)
		right += room[at] == (char)(at >> 12);
	check(right == sizeof room / 4096, "eight megabytes");
}

void check_memory(void)
{
	mappings();
	large();
}
