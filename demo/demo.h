/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs of the demo share. */
#ifndef DEMO_H
#define DEMO_H

#include "kfd_lib.h"

/* Smaller is less urgent; 7 is what a queue gets when nobody asks */
#define DEMO_TRAINING_PRIORITY	3
#define DEMO_INFERENCE_PRIORITY	12

/**
 * struct demo_page - memory that all of them map
 * @pending: inference requests that have arrived and are not answered
 * @training: pid of training, 0 until it has a queue
 * @queue: its queue
 */
struct demo_page {
	__u32 pending;
	__u32 training;
	__u32 queue;
};

void demo_die(int error, const char *what);
struct demo_page *demo_page_map(void);
double demo_random(void);

void demo_open(struct kfd *kfd, struct kfd_queue *q, __u32 priority, __u32 ring_packets);
void *demo_alloc(struct kfd *kfd, size_t size);
void demo_count(const char *who, const __u32 *counters, size_t n);

#endif
