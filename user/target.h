/* SPDX-License-Identifier: GPL-2.0 */
/* Which queues a command is about, and what there is to know of them. */
#ifndef TARGET_H
#define TARGET_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cmd.h"
#include "libgpreempt.h"

/**
 * struct target - what the options name; a queue must match all that are set
 * @pid: process, 0 for any
 * @one_queue: @queue is set
 * @queue: number of the queue in its process
 * @cgroup: a directory; processes in and below it
 * @gpu: a gpu_id, or a PCI address
 */
struct target {
	pid_t pid;
	bool one_queue;
	unsigned int queue;
	const char *cgroup;
	const char *gpu;
};

/* For getopt_long(); give what it returns to target_option() */
#define TARGET_OPTIONS						\
	{ "pid", required_argument, NULL, 'p' },		\
	{ "queue", required_argument, NULL, 'q' },		\
	{ "cgroup", required_argument, NULL, 'c' },		\
	{ "gpu", required_argument, NULL, 'g' }

#define TARGET_HELP							\
	"  --pid PID       queues of this process\n"			\
	"  --queue N       this queue only; with --pid\n"		\
	"  --cgroup PATH   queues of processes in or below this cgroup,\n"	\
	"                  a directory like /sys/fs/cgroup/x\n"		\
	"  --gpu GPU       queues on this device: a gpu_id, or a PCI address\n"

bool target_option(struct target *t, int option, const char *arg);
void target_check(const struct target *t);
bool target_is_any(const struct target *t);
bool gpu_matches(const struct gpreempt_gpu *gpu, const char *text);

/* A number in decimal, or usage() */
unsigned long parse_number(const char *what, const char *text, unsigned long min,
			   unsigned long max);

/**
 * struct scan - devices and the queues of a target, at a moment
 * @gpus: all devices
 * @ngpus: how many
 * @queues: the queues
 * @nqueues: how many
 * @room: allocated
 */
struct scan {
	struct gpreempt_gpu *gpus;
	int ngpus;
	struct gpreempt_queue *queues;
	size_t nqueues;
	size_t room;
};

struct gpreempt *open_or_die(void);
void scan_gpus(struct scan *s);
int scan_queues(struct gpreempt *gp, const struct target *t, unsigned int flags, struct scan *s);
const char *scan_error(const struct target *t, int error);
void scan_free(struct scan *s);

/**
 * struct owner - of a process
 * @known: it is there still
 * @uid: real user ID
 * @nice: nice value
 * @user: name or number of the user
 * @comm: name of the program
 */
struct owner {
	bool known;
	uid_t uid;
	int nice;
	char user[33];
	char comm[64];
};

void owner_of(pid_t pid, struct owner *o);

/* One object for a queue, one for a device */
void json_queue(struct json *j, const struct gpreempt_queue *q);
void json_gpu(struct json *j, const struct gpreempt_gpu *gpu);

/* The table of list and top */
void print_queue_header(FILE *out);
void print_queue(FILE *out, const struct gpreempt_queue *q);

/* 1.5 ms: for people, 8 characters at most */
const char *duration(uint64_t ns, char text[16]);

#endif
