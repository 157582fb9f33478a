/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KFD_GPREEMPT_H_INCLUDED
#define KFD_GPREEMPT_H_INCLUDED

/*
 * GPREEMPT: priority preemption of user compute queues. What the mechanism
 * (kfd_queue_preempt.c), the ioctls (kfd_gpreempt_ioctl.c), the monitor
 * (kfd_gpreempt_monitor.c) and the rest of amdkfd share.
 */

#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "kfd_gpreempt_policy.h"

struct amdkfd_ioctl_desc;
struct dentry;
struct device_queue_manager;
struct file;
struct kfd_process;
struct mm_struct;
struct qcm_process_device;
struct queue;

#ifdef CONFIG_HSA_AMD_GPREEMPT

/* Who wants a queue off the hardware; it stays off while anybody does */
#define KFD_GPREEMPT_HOLD_IOCTL		0x1
#define KFD_GPREEMPT_HOLD_MONITOR	0x2
/* Nobody any more, but it could not be put back; never with another one */
#define KFD_GPREEMPT_HOLD_NOBODY	0x4

/* The monitor has not looked, yet */
#define KFD_GPREEMPT_UNKNOWN		U32_MAX

/* Powers of two of nanoseconds */
#define KFD_GPREEMPT_BUCKETS		48

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
 * enum kfd_gpreempt_reason - why a queue is preempted or resumed
 * @KFD_GPREEMPT_REASON_NONE: never was
 * @KFD_GPREEMPT_REASON_HIGHER: preempted, a queue of a higher level has work
 * @KFD_GPREEMPT_REASON_SLICE: preempted, a queue of a lower level has a slice
 * @KFD_GPREEMPT_REASON_TURN: preempted, it is the turn of others of its level
 * @KFD_GPREEMPT_REASON_SAVE: preempted by ioctl, waves saved
 * @KFD_GPREEMPT_REASON_DRAIN: preempted by ioctl, waves ended
 * @KFD_GPREEMPT_REASON_HOLDOFF: resumed, nothing higher has had work for long
 *	enough
 * @KFD_GPREEMPT_REASON_STARVED: resumed for a slice
 * @KFD_GPREEMPT_REASON_RESUME: resumed by ioctl
 * @KFD_GPREEMPT_REASON_CLOSE: resumed, its holder's file was closed
 * @KFD_GPREEMPT_REASON_OFF: resumed, the monitor is off
 * @KFD_GPREEMPT_REASON_REPAIR: resumed, it could not be when it should
 */
enum kfd_gpreempt_reason {
	KFD_GPREEMPT_REASON_NONE,
	KFD_GPREEMPT_REASON_HIGHER,
	KFD_GPREEMPT_REASON_SLICE,
	KFD_GPREEMPT_REASON_TURN,
	KFD_GPREEMPT_REASON_SAVE,
	KFD_GPREEMPT_REASON_DRAIN,
	KFD_GPREEMPT_REASON_HOLDOFF,
	KFD_GPREEMPT_REASON_STARVED,
	KFD_GPREEMPT_REASON_RESUME,
	KFD_GPREEMPT_REASON_CLOSE,
	KFD_GPREEMPT_REASON_OFF,
	KFD_GPREEMPT_REASON_REPAIR,
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
 * @node: in qcm_process_device.gpreempt_queues, if it is active
 * @slot: where the monitor has it in its latest look
 * @rptr: its read pointer, as the monitor last saw it
 * @id: names the queue for ever, also when its memory is used again
 * @snapshot: allocated and freed with the queue
 * @state: where it is
 * @holders: KFD_GPREEMPT_HOLD_*
 * @file: on which the ioctl was called that holds it, never dereferenced;
 *	NULL if none does
 * @sliced: resumed because it had starved
 * @had_work: had waves or packets when it was preempted
 * @aged: level for which the monitor resumed it, 0 if somebody else did
 * @since_ns: ktime of the last preemption or resume, 0 before
 * @preemptions: how often it was preempted
 * @reason: of the last preemption or resume
 * @level: the priority that counts for the monitor
 * @pending: packets in its ring as the monitor saw them last, or
 *	KFD_GPREEMPT_UNKNOWN
 * @waves: its waves in flight, in the same way
 *
 * All but @id and the pointers of @snapshot are protected by the DQM lock.
 */
struct kfd_gpreempt_queue {
	struct list_head node;
	u32 slot;
	u64 rptr;
	u64 id;
	struct kfd_queue_snapshot snapshot;
	enum kfd_gpreempt_state state;
	u32 holders;
	const struct file *file;
	bool sliced;
	bool had_work;
	u32 aged;
	u64 since_ns;
	u64 preemptions;
	enum kfd_gpreempt_reason reason;
	u8 level;
	u32 pending;
	u32 waves;
};

struct kfd_gpreempt_scan;

/**
 * struct kfd_gpreempt_histogram - how often something took how long
 * @count: times below 2^i ns that are not below the half of it; the last has
 *	all that are longer
 */
struct kfd_gpreempt_histogram {
	u64 count[KFD_GPREEMPT_BUCKETS];
};

/**
 * struct kfd_gpreempt - GPREEMPT's part of a device queue manager
 * @preemptions: queues preempted; protected by the DQM lock
 * @resumes: queues resumed; protected by the DQM lock
 * @save_ns: how long preemptions took; protected by the DQM lock
 * @wait_ns: how long queues were off; protected by the DQM lock
 * @debugfs: the device's directory
 * @used: an ioctl has asked for a preemption, ever
 * @repair: maps what could not be mapped at the time
 * @node: in the list of all devices
 * @ctl: serializes configuration, start and stop of the monitor
 * @thread: the monitor, or NULL; protected by @ctl
 * @wait: where the monitor sleeps
 * @enabled: the monitor acts; cleared by the monitor itself when it gives up
 * @idle: the monitor sleeps until a queue event; set under the DQM lock
 * @holds: the monitor may hold queues; protected by the DQM lock
 * @next_rank: when to look at ranks while it is idle, jiffies
 * @params: parameters, READ_ONCE() and WRITE_ONCE()
 * @scan: the monitor's buffers
 * @wakeups: of the monitor; written by it
 * @ticks: looks at the queues; written by the monitor
 * @tick_ns: time they took, in nanoseconds; written by the monitor
 * @inversions: ticks that found a lower queue in a higher one's way; written
 *	by the monitor
 */
struct kfd_gpreempt {
	u64 preemptions;
	u64 resumes;
	struct kfd_gpreempt_histogram save_ns;
	struct kfd_gpreempt_histogram wait_ns;
	struct dentry *debugfs;
	bool used;
	struct delayed_work repair;
	struct list_head node;

	struct mutex ctl;	/* taken before the DQM lock */
	struct task_struct *thread;
	wait_queue_head_t wait;
	bool enabled;
	bool idle;
	bool holds;
	unsigned long next_rank;
	struct kfd_gpreempt_params params;
	struct kfd_gpreempt_scan *scan;
	u64 wakeups;
	u64 ticks;
	u64 tick_ns;
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
 * @level: for a resume by the monitor, the level that the policy saw it at
 * @reason: why; KFD_GPREEMPT_REASON_NONE if the other members say it
 * @todo: private to the batch: more than the holders changes
 * @hw: private to the batch: the hardware is involved
 * @took_ns: from the batch: how long the hardware took for it. With HWS, for
 *	all of them
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
	u32 level;
	enum kfd_gpreempt_reason reason;
	bool todo;
	bool hw;
	u64 took_ns;
	int err;
};

/* The mechanism: kfd_queue_preempt.c */
void kfd_gpreempt_init(struct device_queue_manager *dqm);
void kfd_gpreempt_start(struct device_queue_manager *dqm);
void kfd_gpreempt_fini(struct device_queue_manager *dqm);
void kfd_gpreempt_queue_init(struct queue *q);
void kfd_gpreempt_queue_uninit(struct queue *q);
void kfd_gpreempt_queue_updated(struct device_queue_manager *dqm,
				struct qcm_process_device *qpd,
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
void kfd_gpreempt_monitor_start(struct device_queue_manager *dqm);
void kfd_gpreempt_monitor_fini(struct device_queue_manager *dqm);
void kfd_gpreempt_process_init(struct qcm_process_device *qpd);
void kfd_gpreempt_queue_event(struct device_queue_manager *dqm,
			      struct qcm_process_device *qpd, struct queue *q,
			      bool active);
void kfd_gpreempt_activity(struct device_queue_manager *dqm);
int kfd_gpreempt_get_param(struct device_queue_manager *dqm, u32 param,
			   u64 *value);
int kfd_gpreempt_set_param(struct device_queue_manager *dqm, u32 param,
			   u64 value);

/* What is told about it: kfd_gpreempt_trace.c */
const struct kfd_gpreempt_sample *
kfd_gpreempt_winner(const struct kfd_gpreempt_sample *s, unsigned int n,
		    const enum kfd_gpreempt_decision *decision);
enum kfd_gpreempt_reason
kfd_gpreempt_why(const struct kfd_gpreempt_sample *winner,
		 const struct kfd_gpreempt_sample *s);
void kfd_gpreempt_trace_inversion(struct device_queue_manager *dqm,
				  const struct kfd_gpreempt_sample *winner,
				  const struct kfd_gpreempt_step *steps,
				  unsigned int n, u64 wait_ns);

/**
 * struct kfd_gpreempt_pointers - read and write pointer of a queue
 * @rptr_addr: where its read pointer is, in its process
 * @wptr_addr: where its write pointer is, in its process
 * @rptr: read pointer, as it was read
 * @wptr: write pointer, as it was read
 * @aql: both have 64 bits, else 32
 */
struct kfd_gpreempt_pointers {
	const void __user *rptr_addr;
	const void __user *wptr_addr;
	u64 rptr;
	u64 wptr;
	bool aql;
};

/* Pointers in memory of processes: kfd_gpreempt_pointers.c */
struct mm_struct *kfd_gpreempt_get_mm(struct kfd_process *p);
bool kfd_gpreempt_read_pointers(struct kfd_gpreempt_pointers *ptrs);
bool kfd_gpreempt_peek_pointers(struct mm_struct *mm,
				struct kfd_gpreempt_pointers *ptrs);

/* Parameters and counters in sysfs: kfd_gpreempt_sysfs.c */
void kfd_gpreempt_sysfs_init(struct device_queue_manager *dqm);
void kfd_gpreempt_sysfs_fini(struct device_queue_manager *dqm);

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
			   struct qcm_process_device *qpd, struct queue *q) {}
static inline void kfd_gpreempt_init(struct device_queue_manager *dqm) {}
static inline void kfd_gpreempt_start(struct device_queue_manager *dqm) {}
static inline void kfd_gpreempt_fini(struct device_queue_manager *dqm) {}
static inline void
kfd_gpreempt_process_init(struct qcm_process_device *qpd) {}
static inline void
kfd_gpreempt_queue_event(struct device_queue_manager *dqm,
			 struct qcm_process_device *qpd, struct queue *q,
			 bool active) {}
static inline void
kfd_gpreempt_activity(struct device_queue_manager *dqm) {}

static inline const struct amdkfd_ioctl_desc *
kfd_gpreempt_ioctl_desc(unsigned int nr)
{
	return NULL;
}

static inline void kfd_gpreempt_close(const struct file *file) {}

#endif /* CONFIG_HSA_AMD_GPREEMPT */

#if defined(CONFIG_HSA_AMD_GPREEMPT) && defined(CONFIG_DEBUG_FS)

/* What can be seen: kfd_gpreempt_debugfs.c */
void kfd_gpreempt_debugfs_init(struct dentry *parent);
void kfd_gpreempt_debugfs_fini(void);
void kfd_gpreempt_debugfs_add(struct device_queue_manager *dqm);
void kfd_gpreempt_debugfs_remove(struct device_queue_manager *dqm);

#else

static inline void kfd_gpreempt_debugfs_init(struct dentry *parent) {}
static inline void kfd_gpreempt_debugfs_fini(void) {}
static inline void
kfd_gpreempt_debugfs_add(struct device_queue_manager *dqm) {}
static inline void
kfd_gpreempt_debugfs_remove(struct device_queue_manager *dqm) {}

#endif

#endif /* KFD_GPREEMPT_H_INCLUDED */
