// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

static int stop;

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

static void on_sigterm(int sig)
{
	(void)sig;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

void stop_at_sigterm(void)
{
	signal(SIGTERM, on_sigterm);
}

/* Has SIGTERM come? */
bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* As now_us() counts */
void sleep_until_us(uint64_t us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* In (0, 1), the same sequence in each run: Knuth's MMIX generator */
double demo_random(void)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005ull + 1442695040888963407ull;
	return ((x >> 33) + 0.5) / (1ull << 31);
}

/* For who waits for it */
void make_file(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || fclose(f))
		die(path);
}

/* Until somebody makes it; who should do so may have failed */
void wait_for_file(const char *path)
{
	uint64_t give_up = now_us() + 120 * 1000000ull;

	while (access(path, F_OK)) {
		if (now_us() > give_up)
			die("nobody has made the file");
		usleep(10000);
	}
}

/* Each workgroup has a counter of its own, which must be 1 when all is done */
void counters_print(const char *who, const uint32_t *counters, size_t n)
{
	uint64_t lost = 0, twice = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		lost += !counters[i];
		twice += counters[i] > 1;
	}
	printf("%s lost %lu\n%s twice %lu\n", who, lost, who, twice);
}
