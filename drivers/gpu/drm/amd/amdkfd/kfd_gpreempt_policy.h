/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KFD_GPREEMPT_POLICY_H_INCLUDED
#define KFD_GPREEMPT_POLICY_H_INCLUDED

/*
 * Which queues of one device to preempt and to resume. Nothing here knows the
 * driver or the kernel, so that tests, simulators and user space can compile
 * the very same files.
 */

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#include <stddef.h>
#endif

/* Priorities of queues, as in KFD's uAPI: 0 to 15, larger is more urgent */
#define KFD_GPREEMPT_LEVELS	16
#define KFD_GPREEMPT_NORMAL	7

/* Properties of a queue that the policy looks at: kfd_gpreempt_sample.flags */

/* On the hardware, or in the runlist of the hardware's scheduler */
#define KFD_GPREEMPT_RUNS		0x01
/* Preempted by the monitor, which may resume it */
#define KFD_GPREEMPT_HELD		0x02
/* Can be preempted at all */
#define KFD_GPREEMPT_DISPLACEABLE	0x04
/* There are packets in the ring that were not started */
#define KFD_GPREEMPT_PENDING		0x08
/*
 * Waves were saved when it was preempted, and it would run if it were resumed; or
 * it runs, but was unmapped for others, and has saved waves
 */
#define KFD_GPREEMPT_SAVED		0x10
/* Resumed because it had starved, at since_ns */
#define KFD_GPREEMPT_SLICE		0x20
/* Has had no work for some samples, and its pointers have not moved */
#define KFD_GPREEMPT_QUIET		0x40
/*
 * Has started packets since the sample before. A dispatch that got no room yet
 * is neither in the ring nor in flight, and nothing else gives it away.
 */
#define KFD_GPREEMPT_STARTED		0x80
/* Has not moved its read pointer for long: does it use the device at all? */
#define KFD_GPREEMPT_STALLED		0x100
/*
 * Does not: no waves although there was room. The packet at the head waits for
 * something, which can be a lower queue, or was not written to the end.
 */
#define KFD_GPREEMPT_BLOCKED		0x200

/**
 * struct kfd_gpreempt_sample - one queue at one moment
 * @id: names the queue; of two that are alike the policy takes the smaller one
 * @since_ns: when it was preempted or resumed last, in nanoseconds, 0 before
 * @work_ns: when it was last seen with work while it ran, in nanoseconds, or 0
 * @priority: 0 to KFD_GPREEMPT_LEVELS - 1, larger is more urgent
 * @flags: KFD_GPREEMPT_RUNS and so on
 * @waves: waves in flight, on all XCCs together
 * @aged: @level when the monitor resumed it last, 0 before and if somebody else
 *	did; counts for a slice
 * @level: from kfd_gpreempt_decide(): @priority, and what it has aged
 *
 * Queues of the lowest priority of those that run or are held have no influence
 * on what is decided about others, unless one of them is held, has a slice, or
 * has @aged above @priority. Without them in the array the others fare the same.
 */
struct kfd_gpreempt_sample {
	__u64 id;
	__u64 since_ns;
	__u64 work_ns;
	__u32 priority;
	__u32 flags;
	__u32 waves;
	__u32 aged;
	__u32 level;
};

/* Levels wait for each other, and nothing else: KFD_GPREEMPT_POLICY */
#define KFD_GPREEMPT_POLICY_STRICT	0
/* A preempted queue rises while it waits, up to those that keep it off */
#define KFD_GPREEMPT_POLICY_AGED	1

/**
 * enum kfd_gpreempt_param - the numbers that steer monitor and policy, in the
 * order of the uAPI
 * @KFD_GPREEMPT_INTERVAL_US: time between two samples, in microseconds
 * @KFD_GPREEMPT_HOLDOFF_US: how long all higher queues must have been without
 *	work before a queue is resumed, in microseconds. Spares a save and a
 *	restore for every pause between two requests.
 * @KFD_GPREEMPT_STARVATION_MS: no queue stays preempted longer than this, in
 *	milliseconds, and than the slices of other levels that take their turn
 * @KFD_GPREEMPT_SLICE_US: how long a queue that starved has the device before
 *	it can be preempted again, in microseconds; also for how long a queue
 *	keeps what it has aged once it runs
 * @KFD_GPREEMPT_POLICY: KFD_GPREEMPT_POLICY_*
 * @KFD_GPREEMPT_AGING_MS: time in which a preempted queue rises by one level, in
 *	milliseconds
 * @KFD_GPREEMPT_TURN_US: how long a queue runs before it makes room for others
 *	of its level that cannot be mapped at the same time, in microseconds; 0:
 *	the hardware's scheduler shares the device among them
 * @KFD_GPREEMPT_RANK: 1: priorities are those of kfd_gpreempt_rank(), 0: what
 *	programs have asked for. The monitor's business, not the policy's.
 * @KFD_GPREEMPT_NUM_PARAMS: number of parameters
 */
enum kfd_gpreempt_param {
	KFD_GPREEMPT_INTERVAL_US,
	KFD_GPREEMPT_HOLDOFF_US,
	KFD_GPREEMPT_STARVATION_MS,
	KFD_GPREEMPT_SLICE_US,
	KFD_GPREEMPT_POLICY,
	KFD_GPREEMPT_AGING_MS,
	KFD_GPREEMPT_TURN_US,
	KFD_GPREEMPT_RANK,
	KFD_GPREEMPT_NUM_PARAMS
};

/**
 * struct kfd_gpreempt_params - one device's parameters
 * @val: values, indexed by enum kfd_gpreempt_param, in the unit of its name
 * @capacity: no parameter but a property of the device: queues that can be
 *	mapped at the same time, 0: any number
 */
struct kfd_gpreempt_params {
	__u64 val[KFD_GPREEMPT_NUM_PARAMS];
	__u32 capacity;
};

/**
 * enum kfd_gpreempt_decision - what to do with a queue
 * @KFD_GPREEMPT_KEEP: nothing
 * @KFD_GPREEMPT_PREEMPT: take it off the hardware
 * @KFD_GPREEMPT_RESUME: put it back
 * @KFD_GPREEMPT_RESUME_SLICE: put it back because its level starved, to have
 *	the device for a slice
 */
enum kfd_gpreempt_decision {
	KFD_GPREEMPT_KEEP,
	KFD_GPREEMPT_PREEMPT,
	KFD_GPREEMPT_RESUME,
	KFD_GPREEMPT_RESUME_SLICE,
};

void kfd_gpreempt_params_init(struct kfd_gpreempt_params *params);
bool kfd_gpreempt_param_valid(enum kfd_gpreempt_param param, __u64 value);
__u32 kfd_gpreempt_rank(__u32 priority, int nice, bool foreign,
			bool privileged);
bool kfd_gpreempt_pending(__u64 rptr, __u64 wptr, __u64 ring_bytes, bool aql);
bool kfd_gpreempt_has_work(const struct kfd_gpreempt_sample *s);
bool kfd_gpreempt_in_slice(const struct kfd_gpreempt_params *params,
			   const struct kfd_gpreempt_sample *s, __u64 now_ns);
bool kfd_gpreempt_needs_waves(const struct kfd_gpreempt_params *params,
			      const struct kfd_gpreempt_sample *s,
			      unsigned int n, __u64 now_ns);
unsigned int kfd_gpreempt_decide(const struct kfd_gpreempt_params *params,
				 struct kfd_gpreempt_sample *s,
				 unsigned int n, __u64 now_ns,
				 enum kfd_gpreempt_decision *decision);

#endif /* KFD_GPREEMPT_POLICY_H_INCLUDED */
