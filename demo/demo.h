/* SPDX-License-Identifier: GPL-2.0 */
/* What the two programs of the demo share. */
#ifndef DEMO_H
#define DEMO_H

#include "kfd_lib.h"

/* Smaller is less urgent; 7 is what a queue gets when nobody asks */
#define DEMO_TRAINING_PRIORITY	3
#define DEMO_INFERENCE_PRIORITY	12

/**
 * struct demo_page - memory that both processes map
 * @pending: inference requests that have arrived and are not answered
 */
struct demo_page {
	__u32 pending;
};

void demo_die(int error, const char *what);
struct demo_page *demo_page_map(void);
double demo_random(void);

void demo_open(struct kfd *kfd, struct kfd_queue *q, __u32 priority, __u32 ring_packets);
void *demo_alloc(struct kfd *kfd, size_t size);
void demo_count(const char *who, const __u32 *counters, size_t n);

int poller_start(struct kfd_queue *training);
void poller_stop(void);

#endif
