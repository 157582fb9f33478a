// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The policy of GPREEMPT: pure functions from samples to decisions. No locks,
 * no I/O, no state, no types of the driver.
 *
 * Strict priority between levels: while a queue has work, whatever occupies
 * the device at a lower level is displaced. A displaced queue comes back when
 * all levels above have been without work for the hold-off, or when it has
 * waited for the starvation limit, and then stays for a slice.
 */

#include "kfd_gpreempt_policy.h"

/* Sizes of packets, and of the unit that read and write pointer count in */
#define AQL_PACKET_BYTES	64
#define PM4_DWORD_BYTES		4

static const struct {
	__u64 min, max, def;
} limits[KFD_GPREEMPT_NUM_PARAMS] = {
	[KFD_GPREEMPT_INTERVAL_US]	= { 100, 1000000, 5000 },
	[KFD_GPREEMPT_HOLDOFF_US]	= { 0, 10000000, 10000 },
	[KFD_GPREEMPT_STARVATION_MS]	= { 10, 3600000, 1000 },
	[KFD_GPREEMPT_SLICE_US]		= { 100, 1000000, 10000 },
};

/**
 * kfd_gpreempt_params_init - set all parameters to their defaults
 * @params: the parameters
 */
void kfd_gpreempt_params_init(struct kfd_gpreempt_params *params)
{
	unsigned int i;

	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++)
		params->val[i] = limits[i].def;
}

/**
 * kfd_gpreempt_param_valid - is a value within the bounds of a parameter?
 * @param: the parameter
 * @value: the value, in the parameter's unit
 *
 * Return: false also for a parameter that does not exist.
 */
bool kfd_gpreempt_param_valid(enum kfd_gpreempt_param param, __u64 value)
{
	return (unsigned int)param < KFD_GPREEMPT_NUM_PARAMS &&
	       value >= limits[param].min && value <= limits[param].max;
}

/**
 * kfd_gpreempt_pending - has a queue packets that were not started?
 * @rptr: read pointer, as found in the memory of the process
 * @wptr: write pointer, as found in the memory of the process
 * @ring_bytes: size of the ring in bytes, a power of 2
 * @aql: they count AQL packets and never wrap, else dwords within the ring
 *
 * The process can have written anything there. Pointers that are further apart
 * than the ring is long are not believed: who does that loses the place that
 * pending work would have given, and nobody else loses anything.
 *
 * Return: true if there are.
 */
bool kfd_gpreempt_pending(__u64 rptr, __u64 wptr, __u64 ring_bytes, bool aql)
{
	if (aql)
		return wptr != rptr &&
		       wptr - rptr <= ring_bytes / AQL_PACKET_BYTES;

	return ring_bytes >= PM4_DWORD_BYTES &&
	       (wptr ^ rptr) & (ring_bytes / PM4_DWORD_BYTES - 1);
}

static unsigned int level_of(const struct kfd_gpreempt_sample *s)
{
	return s->priority < KFD_GPREEMPT_LEVELS ? s->priority :
						   KFD_GPREEMPT_LEVELS - 1;
}

/**
 * kfd_gpreempt_has_work - has a queue work, started or not?
 * @s: the queue
 *
 * Read pointer equal to write pointer does not mean idle: a packet leaves the
 * ring when it is started.
 *
 * Return: true if it has.
 */
bool kfd_gpreempt_has_work(const struct kfd_gpreempt_sample *s)
{
	if (s->flags & KFD_GPREEMPT_PENDING)
		return true;
	if (s->flags & KFD_GPREEMPT_HELD)
		return s->flags & KFD_GPREEMPT_SAVED;
	return s->waves != 0;
}

/**
 * kfd_gpreempt_needs_waves - can waves in flight make a difference?
 * @s: the queues, without @waves
 * @n: number of queues
 *
 * Counting waves costs hundreds of register accesses. They matter if a queue
 * may have work and another one below it runs, or is held back for it. Only a
 * queue's claim to have no work is believed; a lower one could be made to look
 * quiet by its owner, to stay where it is.
 *
 * Return: true if the waves have to be counted for a decision.
 */
bool kfd_gpreempt_needs_waves(const struct kfd_gpreempt_sample *s,
			      unsigned int n)
{
	int runs = KFD_GPREEMPT_LEVELS, held = KFD_GPREEMPT_LEVELS;
	int work = -1, maybe = -1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		int level = level_of(&s[i]);

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			if (level < held)
				held = level;
		} else if (s[i].flags & KFD_GPREEMPT_RUNS) {
			if (level < runs)
				runs = level;
			if (s[i].flags & KFD_GPREEMPT_PENDING) {
				if (level > work)
					work = level;
			} else if (!(s[i].flags & KFD_GPREEMPT_QUIET)) {
				if (level > maybe)
					maybe = level;
			}
		}
	}

	/* Pending work above suffices to keep what is held where it is */
	return runs < work || runs < maybe || held < maybe;
}

/* What levels look like from below */
struct view {
	/* Reason to stay away, and to be preempted */
	bool work[KFD_GPREEMPT_LEVELS];
	bool want[KFD_GPREEMPT_LEVELS];
	/* No reason, for long enough */
	bool may_resume[KFD_GPREEMPT_LEVELS];
};

static void look_up(const struct kfd_gpreempt_params *params,
		    const struct kfd_gpreempt_sample *s, unsigned int n,
		    __u64 now_ns, struct view *above)
{
	__u64 holdoff_ns = params->val[KFD_GPREEMPT_HOLDOFF_US] * 1000;
	bool started[KFD_GPREEMPT_LEVELS] = { false };
	bool runs[KFD_GPREEMPT_LEVELS] = { false };
	bool held[KFD_GPREEMPT_LEVELS] = { false };
	__u64 work_ns[KFD_GPREEMPT_LEVELS] = { 0 };
	bool work = false, want = false;
	__u64 last_ns = 0;
	unsigned int i;
	int level;

	for (i = 0; i < n; i++) {
		level = level_of(&s[i]);

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			held[level] |= kfd_gpreempt_has_work(&s[i]);
		} else if (s[i].flags & KFD_GPREEMPT_RUNS) {
			runs[level] |= kfd_gpreempt_has_work(&s[i]);
			started[level] |= s[i].flags & KFD_GPREEMPT_STARTED;
			if (s[i].work_ns > work_ns[level])
				work_ns[level] = s[i].work_ns;
		}
	}

	for (level = KFD_GPREEMPT_LEVELS - 1; level >= 0; level--) {
		above->work[level] = work;
		above->want[level] = want;
		above->may_resume[level] = !work &&
					   (!last_ns ||
					    now_ns - last_ns >= holdoff_ns);

		/* What is resumed now is in the way of those below at once */
		work |= runs[level] ||
			(above->may_resume[level] && held[level]);
		want |= work || started[level];
		if (work_ns[level] > last_ns)
			last_ns = work_ns[level];
	}
}

/**
 * kfd_gpreempt_decide - decide about all queues of a device
 * @params: parameters of the device
 * @s: the queues, in any order
 * @n: number of queues
 * @now_ns: the time of the samples, on the clock of their times
 * @decision: from the function: one for each queue
 *
 * Return: number of queues to be preempted.
 */
unsigned int kfd_gpreempt_decide(const struct kfd_gpreempt_params *params,
				 const struct kfd_gpreempt_sample *s,
				 unsigned int n, __u64 now_ns,
				 enum kfd_gpreempt_decision *decision)
{
	__u64 starvation_ns = params->val[KFD_GPREEMPT_STARVATION_MS] * 1000000;
	__u64 interval_ns = params->val[KFD_GPREEMPT_INTERVAL_US] * 1000;
	__u64 slice_ns = params->val[KFD_GPREEMPT_SLICE_US] * 1000;
	unsigned int i, victims = 0;
	struct view above;

	look_up(params, s, n, now_ns, &above);

	for (i = 0; i < n; i++) {
		__u64 elapsed = now_ns - s[i].since_ns;
		unsigned int level = level_of(&s[i]);

		decision[i] = KFD_GPREEMPT_KEEP;

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			if (above.may_resume[level])
				decision[i] = KFD_GPREEMPT_RESUME;
			else if (elapsed + interval_ns > starvation_ns)
				/* The next look would come too late */
				decision[i] = KFD_GPREEMPT_RESUME_SLICE;
			continue;
		}

		if (!above.want[level] ||
		    !(s[i].flags & KFD_GPREEMPT_RUNS) ||
		    !(s[i].flags & KFD_GPREEMPT_DISPLACEABLE) ||
		    !kfd_gpreempt_has_work(&s[i]))
			continue;

		if ((s[i].flags & KFD_GPREEMPT_SLICE) && elapsed < slice_ns)
			continue;

		decision[i] = KFD_GPREEMPT_PREEMPT;
		victims++;
	}

	return victims;
}
