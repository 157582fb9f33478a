// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "demo.h"

void demo_die(int error, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

struct demo_page *demo_page_map(void)
{
	int fd = open("/dev/shm/demo", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, sizeof(struct demo_page)))
		p = mmap(NULL, sizeof(struct demo_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	if (p == MAP_FAILED)
		demo_die(errno, "/dev/shm/demo");
	close(fd);
	return p;
}

/* In (0, 1), the same sequence in each run: Knuth's MMIX generator */
double demo_random(void)
{
	static __u64 x = 1;

	x = x * 6364136223846793005ull + 1442695040888963407ull;
	return ((x >> 33) + 0.5) / (1ull << 31);
}

void demo_open(struct kfd *kfd, struct kfd_queue *q, __u32 priority, __u32 ring_packets)
{
	struct kfd_queue_opts opts = {
		.ring_size = ring_packets * sizeof(union aql_packet),
		.priority = priority,
		.has_priority = true,
	};
	int r = kfd_open(kfd);

	if (r)
		demo_die(r, "/dev/kfd");
	r = kfd_queue_create(kfd, q, &opts);
	if (r)
		demo_die(r, "creating a queue");
}

/* Zeroed memory that CPU and GPU share */
void *demo_alloc(struct kfd *kfd, size_t size)
{
	struct kfd_mem mem;
	int r = kfd_mem_alloc(kfd, &mem, size, KFD_IOC_ALLOC_MEM_FLAGS_GTT);

	if (r)
		demo_die(r, "allocating GTT");
	return memset(mem.cpu, 0, size);
}

/* Each workgroup has a counter of its own, which must be 1 when all is done */
void demo_count(const char *who, const __u32 *counters, size_t n)
{
	__u64 lost = 0, twice = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		lost += !counters[i];
		twice += counters[i] > 1;
	}
	printf("%s lost %llu\n%s twice %llu\n", who, lost, who, twice);
}
