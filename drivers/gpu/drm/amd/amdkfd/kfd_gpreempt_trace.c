// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The tracepoints of GPREEMPT, and why its monitor does what it does.
 */

#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"

#define CREATE_TRACE_POINTS
#include "kfd_gpreempt_trace.h"

/**
 * kfd_gpreempt_winner - who has the device after what was decided
 * @s: the queues
 * @n: number of queues
 * @decision: one for each queue
 *
 * Return: of the queues that run, or are put back now, and may have work, one
 * of the highest level; NULL if there is none.
 */
const struct kfd_gpreempt_sample *
kfd_gpreempt_winner(const struct kfd_gpreempt_sample *s, unsigned int n,
		    const enum kfd_gpreempt_decision *decision)
{
	const struct kfd_gpreempt_sample *winner = NULL;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (decision[i] == KFD_GPREEMPT_PREEMPT)
			continue;
		if (decision[i] == KFD_GPREEMPT_KEEP &&
		    (!(s[i].flags & KFD_GPREEMPT_RUNS) ||
		     !(kfd_gpreempt_has_work(&s[i]) ||
		       (s[i].flags & KFD_GPREEMPT_STARTED))))
			continue;
		if (!winner || s[i].priority > winner->priority)
			winner = &s[i];
	}

	return winner;
}

/**
 * kfd_gpreempt_why - why the monitor preempts a queue
 * @winner: from kfd_gpreempt_winner()
 * @s: the queue
 *
 * Return: KFD_GPREEMPT_REASON_*.
 */
enum kfd_gpreempt_reason
kfd_gpreempt_why(const struct kfd_gpreempt_sample *winner,
		 const struct kfd_gpreempt_sample *s)
{
	if (!winner || winner->priority > s->priority)
		return KFD_GPREEMPT_REASON_HIGHER;

	return winner->priority < s->priority ? KFD_GPREEMPT_REASON_SLICE :
						KFD_GPREEMPT_REASON_TURN;
}

/**
 * kfd_gpreempt_trace_inversion - tell of an inversion that the monitor found
 * @dqm: the device
 * @winner: from kfd_gpreempt_winner()
 * @steps: what is going to be done about it
 * @n: number of steps
 * @wait_ns: time since the look before
 *
 * That a queue takes its slice, or its turn, is none.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_trace_inversion(struct device_queue_manager *dqm,
				  const struct kfd_gpreempt_sample *winner,
				  const struct kfd_gpreempt_step *steps,
				  unsigned int n, u64 wait_ns)
{
	struct device_process_node *cur;
	unsigned int i, victims = 0;
	struct queue *q;

	if (!trace_gpreempt_inversion_enabled() || !winner)
		return;

	for (i = 0; i < n; i++)
		victims += steps[i].preempt &&
			   steps[i].reason == KFD_GPREEMPT_REASON_HIGHER;
	if (!victims)
		return;

	list_for_each_entry(cur, &dqm->queues, list)
		list_for_each_entry(q, &cur->qpd->queues_list, list)
			if (q->gpreempt.id == winner->id)
				trace_gpreempt_inversion(q, winner->priority,
							 victims, wait_ns);
}
