// SPDX-License-Identifier: GPL-2.0
/*
 * busy FILE [PRIORITY [QUEUES]]: keeps queues busy until SIGTERM, and writes every
 * 10 ms how many workgroups have run into FILE; one queue more at each SIGUSR1.
 * The last line says "ok" if each workgroup ran exactly once for each dispatch.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kfd_lib.h"

#define MAX_QUEUES	8
#define WORKGROUPS	64
#define LOOPS		(2000000 / GFX942_LOOP_NS)	/* 2 ms */
#define AHEAD		4				/* dispatches in a ring */

static struct kfd kfd;
static struct kfd_queue queues[MAX_QUEUES];
static struct kfd_job jobs[MAX_QUEUES];
static int nqueues;
static volatile sig_atomic_t stop, more;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		more++;
	else
		stop = 1;
}

static void check(int r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "busy: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void add_queue(int priority)
{
	struct kfd_queue_opts opts = { .priority = priority, .has_priority = true };

	if (nqueues == MAX_QUEUES)
		return;
	check(kfd_queue_create(&kfd, &queues[nqueues], &opts), "creating a queue");
	check(kfd_job_init(&kfd, &jobs[nqueues], GFX942_COUNT, WORKGROUPS, LOOPS), "a job");
	jobs[nqueues].overlap = true;
	nqueues++;
}

static void report(const char *file, const char *verdict)
{
	long long sum = 0;
	char text[64];
	int fd, i;

	for (i = 0; i < nqueues; i++)
		sum += kfd_job_sum(&jobs[i]);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	check(fd < 0 ? -1 : 0, file);
	/* Never shorter than before, so that no reader sees an empty file */
	snprintf(text, sizeof(text), "%012lld\n%s", sum, verdict);
	if (write(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
}

int main(int argc, char **argv)
{
	int priority = argc > 2 ? atoi(argv[2]) : 7;
	int n = argc > 3 ? atoi(argv[3]) : 1;
	bool wrong = false;
	int i;

	if (argc < 2)
		return 2;
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	check(kfd_open(&kfd), "/dev/kfd");
	while (n--)
		add_queue(priority);
	while (!stop) {
		if (more) {
			more--;
			add_queue(priority);
		}
		for (i = 0; i < nqueues; i++) {
			__s64 left = __atomic_load_n(&jobs[i].signal->value, __ATOMIC_ACQUIRE);

			if (left < AHEAD)
				check(kfd_job_submit_n(&jobs[i], &queues[i], AHEAD - left),
				      "submitting");
		}
		report(argv[1], "");
		usleep(10000);
	}
	for (i = 0; i < nqueues; i++) {
		check(kfd_job_wait(&jobs[i], KFD_TIMEOUT_MS), "waiting for the end");
		wrong |= kfd_job_wrong(&jobs[i], jobs[i].submitted);
	}
	report(argv[1], wrong ? "wrong\n" : "ok\n");
	return wrong;
}
