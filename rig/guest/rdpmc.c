// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a counter as libraries do: with RDPMC if the kernel says that it works,
 * with read() otherwise.
 *
 *	rdpmc
 *
 * prints what the page of an event of its own says, what RDPMC does, and how
 * many instructions a loop of ten million took:
 *
 *	cap_user_rdpmc 0|1
 *	rdpmc unused|works|faults
 *	instructions NUMBER
 */
#include <linux/perf_event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSTRUCTIONS 10000000UL

static sigjmp_buf back;

static void fault(int number)
{
	siglongjmp(back, number);
}

/* RDPMC and what belongs around it (tools/lib/perf/mmap.c); false: use read(). */
static int rdpmc(const volatile struct perf_event_mmap_page *page, uint64_t *count)
{
	uint32_t sequence, index, low, high;
	int64_t value;

	do {
		sequence = page->lock;
		asm volatile("" : : : "memory");
		index = page->index;
		if (!page->cap_user_rdpmc || !index)
			return 0;
		asm volatile("rdpmc" : "=a" (low), "=d" (high) : "c" (index - 1));
		value = (uint64_t)high << 32 | low;
		value <<= 64 - page->pmc_width;
		value >>= 64 - page->pmc_width;
		*count = page->offset + value;
		asm volatile("" : : : "memory");
	} while (page->lock != sequence);
	return 1;
}

static void work(void)
{
	unsigned long left = INSTRUCTIONS / 2;

	asm volatile("1: dec %0\n\tjnz 1b" : "+r" (left) : : "cc");
}

int main(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
	};
	const char *outcome = "unused";
	struct perf_event_mmap_page *page;
	uint64_t first, last;
	int file;

	file = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	if (file < 0) {
		perror("perf_event_open");
		return 1;
	}
	page = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, file, 0);
	if (page == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	printf("cap_user_rdpmc %d\n", (int)page->cap_user_rdpmc);

	signal(SIGSEGV, fault);
	signal(SIGILL, fault);
	if (sigsetjmp(back, 1))
		outcome = "faults";
	else if (rdpmc(page, &first))
		outcome = "works";
	printf("rdpmc %s\n", outcome);

	if (read(file, &first, sizeof(first)) != sizeof(first))
		return 1;
	work();
	if (read(file, &last, sizeof(last)) != sizeof(last))
		return 1;
	printf("instructions %llu\n", (unsigned long long)(last - first));
	return 0;
}
