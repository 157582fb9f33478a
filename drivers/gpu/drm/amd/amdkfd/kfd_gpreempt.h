/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KFD_GPREEMPT_H_INCLUDED
#define KFD_GPREEMPT_H_INCLUDED

/*
 * GPREEMPT: priority preemption of user compute queues. What the mechanism
 * (kfd_queue_preempt.c), the ioctls (kfd_gpreempt_ioctl.c), the monitor
 * (kfd_gpreempt_monitor.c) and the rest of amdkfd share.
 */

#include <linux/bits.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "kfd_gpreempt_policy.h"

struct amdkfd_ioctl_desc;
struct device_queue_manager;
struct file;
struct queue;

#ifdef CONFIG_HSA_AMD_GPREEMPT

/* Who wants a queue off the hardware; it stays off while anybody does */
#define KFD_GPREEMPT_HOLD_IOCTL		BIT(0)
#define KFD_GPREEMPT_HOLD_MONITOR	BIT(1)
/* Nobody any more, but it could not be put back; never with another one */
#define KFD_GPREEMPT_HOLD_NOBODY	BIT(2)

/**
 * enum kfd_gpreempt_state - where a queue is, as in the uAPI
 * @KFD_GPREEMPT_STATE_ACTIVE: as active as its properties allow
 * @KFD_GPREEMPT_STATE_PREEMPTING: on the way off the hardware
 * @KFD_GPREEMPT_STATE_PREEMPTED: off the hardware, with a snapshot
 * @KFD_GPREEMPT_STATE_RESUMING: on the way back
 */
enum kfd_gpreempt_state {
	KFD_GPREEMPT_STATE_ACTIVE,
	KFD_GPREEMPT_STATE_PREEMPTING,
	KFD_GPREEMPT_STATE_PREEMPTED,
	KFD_GPREEMPT_STATE_RESUMING,
};

/**
 * struct kfd_queue_snapshot - what a queue was when it was preempted
 * @mqd_backup: MQDs of all XCCs, NULL if the queue cannot be preempted
 * @ctl_stack_backup: control stacks of all XCCs, in the same allocation
 * @ctl_stack_capacity: room at @ctl_stack_backup, in bytes
 * @ctl_stack_size: bytes in use there
 * @valid: it is a snapshot; always, while the queue is preempted
 */
struct kfd_queue_snapshot {
	void *mqd_backup;
	void *ctl_stack_backup;
	u32 ctl_stack_capacity;
	u32 ctl_stack_size;
	bool valid;
};

/**
 * struct kfd_gpreempt_queue - GPREEMPT's part of a queue
 * @id: names the queue for ever, also when its memory is used again
 * @snapshot: allocated and freed with the queue
 * @state: where it is
 * @holders: KFD_GPREEMPT_HOLD_*
 * @file: on which the ioctl was called that holds it, never dereferenced;
 *	NULL if none does
 * @sliced: resumed because it had starved
 * @had_work: had waves or packets when it was preempted
 * @since_ns: ktime of the last preemption or resume, 0 before
 * @preemptions: how often it was preempted
 *
 * All but @id and the pointers of @snapshot are protected by the DQM lock.
 */
struct kfd_gpreempt_queue {
	u64 id;
	struct kfd_queue_snapshot snapshot;
	enum kfd_gpreempt_state state;
	u32 holders;
	const struct file *file;
	bool sliced;
	bool had_work;
	u64 since_ns;
	u64 preemptions;
};

struct kfd_gpreempt_scan;

/**
 * struct kfd_gpreempt - GPREEMPT's part of a device queue manager
 * @preemptions: queues preempted; protected by the DQM lock
 * @resumes: queues resumed; protected by the DQM lock
 * @used: an ioctl has asked for a preemption, ever
 * @repair: maps what could not be mapped at the time
 * @node: in the list of all devices
 * @ctl: serializes configuration, start and stop of the monitor
 * @thread: the monitor, or NULL; protected by @ctl
 * @wait: where the monitor sleeps
 * @enabled: the monitor acts; cleared by the monitor itself when it gives up
 * @idle: the monitor sleeps until a queue event; set under the DQM lock
 * @params: parameters, READ_ONCE() and WRITE_ONCE()
 * @scan: the monitor's buffers
 * @ticks: looks at the queues; written by the monitor
 * @inversions: ticks that found a lower queue in a higher one's way; written
 *	by the monitor
 */
struct kfd_gpreempt {
	u64 preemptions;
	u64 resumes;
	bool used;
	struct delayed_work repair;
	struct list_head node;

	struct mutex ctl;	/* taken before the DQM lock */
	struct task_struct *thread;
	wait_queue_head_t wait;
	bool enabled;
	bool idle;
	struct kfd_gpreempt_params params;
	struct kfd_gpreempt_scan *scan;
	u64 ticks;
	u64 inversions;
};

/**
 * struct kfd_gpreempt_step - one preemption or resume of a batch
 * @q: the queue
 * @preempt: preempt it, else resume it
 * @holder: KFD_GPREEMPT_HOLD_*, who wants or wanted it off
 * @file: for KFD_GPREEMPT_HOLD_IOCTL, on which file that was said
 * @drain_ms: let waves end, and wait this many milliseconds for it; 0: save
 *	them. Without hardware scheduler only
 * @had_work: for a preemption, the queue had waves or packets
 * @slice: for a resume, it had starved
 * @todo: private to the batch: more than the holders changes
 * @hw: private to the batch: the hardware is involved
 * @err: from the batch: 0, or why the queue is where it was before
 */
struct kfd_gpreempt_step {
	struct queue *q;
	bool preempt;
	u32 holder;
	const struct file *file;
	u32 drain_ms;
	bool had_work;
	bool slice;
	bool todo;
	bool hw;
	int err;
};

/* The mechanism: kfd_queue_preempt.c */
void kfd_gpreempt_init(struct device_queue_manager *dqm);
void kfd_gpreempt_fini(struct device_queue_manager *dqm);
void kfd_gpreempt_queue_init(struct queue *q);
void kfd_gpreempt_queue_uninit(struct queue *q);
void kfd_gpreempt_queue_updated(struct device_queue_manager *dqm,
				struct queue *q);
bool kfd_gpreempt_would_run(const struct queue *q);
bool kfd_gpreempt_ready(struct device_queue_manager *dqm);
int kfd_gpreempt_can_preempt(struct device_queue_manager *dqm,
			     struct queue *q);
int kfd_gpreempt_execute(struct device_queue_manager *dqm,
			 struct kfd_gpreempt_step *steps, unsigned int n);
int kfd_gpreempt_release(struct device_queue_manager *dqm, u32 holder,
			 const struct file *file);
void kfd_gpreempt_close(const struct file *file);

/* The ioctls: kfd_gpreempt_ioctl.c */
const struct amdkfd_ioctl_desc *kfd_gpreempt_ioctl_desc(unsigned int nr);

/* The monitor: kfd_gpreempt_monitor.c */
void kfd_gpreempt_monitor_init(struct device_queue_manager *dqm);
void kfd_gpreempt_monitor_fini(struct device_queue_manager *dqm);
void kfd_gpreempt_queue_event(struct device_queue_manager *dqm);
int kfd_gpreempt_get_param(struct device_queue_manager *dqm, u32 param,
			   u64 *value);
int kfd_gpreempt_set_param(struct device_queue_manager *dqm, u32 param,
			   u64 value);

/* What they need from kfd_device_queue_manager.c; under the DQM lock */
int kfd_dqm_unmap_runlist(struct device_queue_manager *dqm);
int kfd_dqm_map_runlist(struct device_queue_manager *dqm);
int kfd_dqm_map_queue_mes(struct device_queue_manager *dqm, struct queue *q,
			  bool map);
void kfd_dqm_count_queue(struct device_queue_manager *dqm, struct queue *q,
			 bool active);

#ifdef CONFIG_HSA_AMD_GPREEMPT_DEBUG
void kfd_gpreempt_check(struct device_queue_manager *dqm);
#else
static inline void kfd_gpreempt_check(struct device_queue_manager *dqm) {}
#endif

#else

static inline void kfd_gpreempt_check(struct device_queue_manager *dqm) {}
static inline void kfd_gpreempt_queue_init(struct queue *q) {}
static inline void kfd_gpreempt_queue_uninit(struct queue *q) {}
static inline void
kfd_gpreempt_queue_updated(struct device_queue_manager *dqm,
			   struct queue *q) {}
static inline void kfd_gpreempt_init(struct device_queue_manager *dqm) {}
static inline void kfd_gpreempt_fini(struct device_queue_manager *dqm) {}
static inline void
kfd_gpreempt_queue_event(struct device_queue_manager *dqm) {}

static inline const struct amdkfd_ioctl_desc *
kfd_gpreempt_ioctl_desc(unsigned int nr)
{
	return NULL;
}

static inline void kfd_gpreempt_close(const struct file *file) {}

#endif /* CONFIG_HSA_AMD_GPREEMPT */

#endif /* KFD_GPREEMPT_H_INCLUDED */
