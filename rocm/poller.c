// SPDX-License-Identifier: GPL-2.0
/*
 * What demo/poller.c does, beside programs that tell it nothing: every 5 ms it
 * asks the driver which queues have work, and takes all queues of one process
 * off the hardware while another process has some. Ends on SIGTERM; whatever
 * it holds then comes back.
 *
 * poller PID: the process that has to make room.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

#define INTERVAL_NS	5000000		/* as the kernel's monitor */
#define READ_WORK	(KFD_IOC_GPREEMPT_READ_PENDING | KFD_IOC_GPREEMPT_READ_WAVES)

static struct kfd kfd;

/* A process may end at any time, and destroy a queue */
static bool is_error(int r)
{
	return r && r != -ENOENT && r != -ESRCH && r != -EINVAL && r != -EBUSY;
}

static bool has_work(pid_t pid)
{
	struct kfd_ioctl_gpreempt_args q;
	__u32 id;
	int r;

	for (id = 0; !(r = kfd_gpreempt_next_queue(&kfd, pid, id, READ_WORK, &q));
	     id = q.queue_id + 1)
		if (q.queue_pending || q.queue_waves)
			return true;
	if (is_error(r))
		demo_die(r, "looking for work");
	return false;
}

static bool others_have_work(pid_t pid)
{
	pid_t p;

	for (p = 0; (p = kfd_gpreempt_next_pid(&kfd, p)) > 0;)
		if (p != pid && p != getpid() && has_work(p))
			return true;
	if (is_error(p))
		demo_die(p, "looking for processes");
	return false;
}

static void move_all(pid_t pid, bool preempt)
{
	struct kfd_ioctl_gpreempt_args q;
	__u32 id;
	int r;

	for (id = 0; !(r = kfd_gpreempt_next_queue(&kfd, pid, id, 0, &q)); id = q.queue_id + 1) {
		if (preempt)
			r = kfd_preempt(&kfd, pid, q.queue_id, KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0);
		else
			r = kfd_resume(&kfd, pid, q.queue_id);
		if (is_error(r))
			demo_die(r, preempt ? "preempting" : "resuming");
	}
	if (is_error(r))
		demo_die(r, "looking for queues");
}

int main(int argc, char **argv)
{
	const struct timespec interval = { .tv_nsec = INTERVAL_NS };
	bool preempted = false, work;
	pid_t pid = argc == 2 ? atoi(argv[1]) : 0;
	int r;

	if (pid <= 0)
		demo_die(EINVAL, "usage: poller PID");
	r = kfd_open(&kfd);
	if (r)
		demo_die(r, "/dev/kfd");
	for (;;) {
		nanosleep(&interval, NULL);
		work = others_have_work(pid);
		if (work == preempted)
			continue;
		move_all(pid, work);
		preempted = work;
	}
}
