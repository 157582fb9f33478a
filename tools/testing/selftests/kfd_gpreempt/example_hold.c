// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A runtime holds one of its own queues, to let what is urgent go first. Queues
 * and dispatches are those of kfd_lib.c here; a runtime has its own.
 */
#include <stdio.h>
#include <string.h>
#include "kfd_lib.h"

#define BATCH_MS	100
#define URGENT_US	500
#define LOOPS(us)	((us) * 1000 / GFX942_LOOP_NS)

static struct kfd kfd;
static struct kfd_queue batch_queue, urgent_queue;
static struct kfd_job batch, urgent;

static int preempt(void)
{
	struct kfd_ioctl_preempt_queue_args args = {
		.queue_id = batch_queue.id,		/* from AMDKFD_IOC_CREATE_QUEUE */
		.preempt_type = KFD_IOC_PREEMPT_WAVEFRONT_SAVE,
	};

	return kfd_ioctl(&kfd, AMDKFD_IOC_PREEMPT_QUEUE, &args);
}

static int resume(void)
{
	struct kfd_ioctl_resume_queue_args args = { .queue_id = batch_queue.id };

	return kfd_ioctl(&kfd, AMDKFD_IOC_RESUME_QUEUE, &args);
}

/* The batch takes all room there is; then something urgent comes */
static int run(bool hold, __u64 *us)
{
	long long rptr = kfd_queue_rptr(&batch_queue);
	int r;

	kfd_job_submit(&batch, &batch_queue);
	while (kfd_queue_rptr(&batch_queue) == rptr)
		;

	*us = kfd_now_us();
	if (hold) {
		r = preempt();
		if (r)
			return r;
	}
	kfd_job_submit(&urgent, &urgent_queue);
	r = kfd_job_wait(&urgent, KFD_TIMEOUT_MS);
	*us = kfd_now_us() - *us;
	if (!r && hold)
		r = resume();
	if (!r)
		r = kfd_job_wait(&batch, KFD_TIMEOUT_MS);
	return r;
}

int main(void)
{
	__u64 behind, held;
	int r;

	r = kfd_open(&kfd);
	if (!r)
		r = kfd_queue_create(&kfd, &batch_queue, NULL);
	if (!r)
		r = kfd_queue_create(&kfd, &urgent_queue, NULL);
	if (!r)
		r = kfd_job_init(&kfd, &batch, GFX942_COUNT, kfd.gpu.wave_slots,
				 LOOPS(BATCH_MS * 1000));
	if (!r)
		r = kfd_job_init(&kfd, &urgent, GFX942_COUNT, 1, LOOPS(URGENT_US));
	if (!r)
		r = run(false, &behind);
	if (!r)
		r = run(true, &held);
	if (r) {
		fprintf(stderr, "example_hold: %s\n", strerror(-r));
		return 1;
	}
	printf("urgent: %llu us behind the batch, %llu us with the batch held\n",
	       (unsigned long long)behind, (unsigned long long)held);
	/* Each workgroup of both runs has run once, the saved ones as well */
	return kfd_job_wrong(&batch, 2) || kfd_job_wrong(&urgent, 2);
}
