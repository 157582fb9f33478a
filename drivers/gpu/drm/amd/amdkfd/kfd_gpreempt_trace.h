/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kfd_gpreempt
#define TRACE_INCLUDE_FILE kfd_gpreempt_trace

#if !defined(KFD_GPREEMPT_TRACE_H_INCLUDED) || defined(TRACE_HEADER_MULTI_READ)
#define KFD_GPREEMPT_TRACE_H_INCLUDED

/*
 * What GPREEMPT does, to be read with perf, trace-cmd or in tracefs. Times are
 * in nanoseconds, and a pid is that of the owner's main thread in the initial
 * namespace.
 */

#include <linux/tracepoint.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"

TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_NONE);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_HIGHER);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_SLICE);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_TURN);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_SAVE);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_DRAIN);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_HOLDOFF);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_STARVED);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_RESUME);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_CLOSE);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_OFF);
TRACE_DEFINE_ENUM(KFD_GPREEMPT_REASON_REPAIR);

/* The words of debugfs */
#define show_gpreempt_reason(reason)					\
	__print_symbolic(reason,					\
			 { KFD_GPREEMPT_REASON_NONE,	"-" },		\
			 { KFD_GPREEMPT_REASON_HIGHER,	"higher" },	\
			 { KFD_GPREEMPT_REASON_SLICE,	"slice" },	\
			 { KFD_GPREEMPT_REASON_TURN,	"turn" },	\
			 { KFD_GPREEMPT_REASON_SAVE,	"save" },	\
			 { KFD_GPREEMPT_REASON_DRAIN,	"drain" },	\
			 { KFD_GPREEMPT_REASON_HOLDOFF,	"holdoff" },	\
			 { KFD_GPREEMPT_REASON_STARVED,	"starved" },	\
			 { KFD_GPREEMPT_REASON_RESUME,	"resume" },	\
			 { KFD_GPREEMPT_REASON_CLOSE,	"close" },	\
			 { KFD_GPREEMPT_REASON_OFF,	"off" },	\
			 { KFD_GPREEMPT_REASON_REPAIR,	"repair" })

#define show_gpreempt_who(who)						\
	__print_symbolic(who,						\
			 { KFD_GPREEMPT_HOLD_IOCTL,	"ioctl" },	\
			 { KFD_GPREEMPT_HOLD_MONITOR,	"monitor" },	\
			 { KFD_GPREEMPT_HOLD_NOBODY,	"nobody" })

/* wait_ns: time since the monitor's previous look; it can have waited so long */
TRACE_EVENT(gpreempt_inversion,
	TP_PROTO(const struct queue *q, u32 level, u32 victims, u64 wait_ns),

	TP_ARGS(q, level, victims, wait_ns),

	TP_STRUCT__entry(
		__field(u64, wait_ns)
		__field(u32, gpu_id)
		__field(pid_t, pid)
		__field(u32, queue)
		__field(u32, priority)
		__field(u32, level)
		__field(u32, victims)
	),

	TP_fast_assign(
		__entry->wait_ns = wait_ns;
		__entry->gpu_id = q->device->id;
		__entry->pid = q->process->lead_thread->pid;
		__entry->queue = q->properties.queue_id;
		__entry->priority = q->properties.priority;
		__entry->level = level;
		__entry->victims = victims;
	),

	TP_printk("gpu_id=%u pid=%d queue=%u priority=%u level=%u victims=%u wait_ns=%llu",
		  __entry->gpu_id, __entry->pid, __entry->queue,
		  __entry->priority, __entry->level, __entry->victims,
		  __entry->wait_ns)
);

TRACE_EVENT(gpreempt_preempt,
	TP_PROTO(const struct kfd_gpreempt_step *step),

	TP_ARGS(step),

	TP_STRUCT__entry(
		__field(u64, save_ns)
		__field(u32, gpu_id)
		__field(pid_t, pid)
		__field(u32, queue)
		__field(u32, priority)
		__field(u32, level)
		__field(u32, who)
		__field(u32, reason)
		__field(int, err)
	),

	TP_fast_assign(
		__entry->save_ns = step->took_ns;
		__entry->gpu_id = step->q->device->id;
		__entry->pid = step->q->process->lead_thread->pid;
		__entry->queue = step->q->properties.queue_id;
		__entry->priority = step->q->properties.priority;
		__entry->level = step->q->gpreempt.level;
		__entry->who = step->holder;
		__entry->reason = step->reason;
		__entry->err = step->err;
	),

	TP_printk("gpu_id=%u pid=%d queue=%u priority=%u level=%u who=%s reason=%s save_ns=%llu err=%d",
		  __entry->gpu_id, __entry->pid, __entry->queue,
		  __entry->priority, __entry->level,
		  show_gpreempt_who(__entry->who),
		  show_gpreempt_reason(__entry->reason), __entry->save_ns,
		  __entry->err)
);

TRACE_EVENT(gpreempt_resume,
	TP_PROTO(const struct kfd_gpreempt_step *step, u64 off_ns),

	TP_ARGS(step, off_ns),

	TP_STRUCT__entry(
		__field(u64, off_ns)
		__field(u64, restore_ns)
		__field(u32, gpu_id)
		__field(pid_t, pid)
		__field(u32, queue)
		__field(u32, priority)
		__field(u32, level)
		__field(u32, who)
		__field(u32, reason)
		__field(int, err)
	),

	TP_fast_assign(
		__entry->off_ns = off_ns;
		__entry->restore_ns = step->took_ns;
		__entry->gpu_id = step->q->device->id;
		__entry->pid = step->q->process->lead_thread->pid;
		__entry->queue = step->q->properties.queue_id;
		__entry->priority = step->q->properties.priority;
		__entry->level = step->q->gpreempt.level;
		__entry->who = step->holder;
		__entry->reason = step->reason;
		__entry->err = step->err;
	),

	TP_printk("gpu_id=%u pid=%d queue=%u priority=%u level=%u who=%s reason=%s off_ns=%llu restore_ns=%llu err=%d",
		  __entry->gpu_id, __entry->pid, __entry->queue,
		  __entry->priority, __entry->level,
		  show_gpreempt_who(__entry->who),
		  show_gpreempt_reason(__entry->reason), __entry->off_ns,
		  __entry->restore_ns, __entry->err)
);

/* The monitor switches itself off */
TRACE_EVENT(gpreempt_giveup,
	TP_PROTO(const struct device_queue_manager *dqm, const char *what),

	TP_ARGS(dqm, what),

	TP_STRUCT__entry(
		__field(u32, gpu_id)
		__string(what, what)
	),

	TP_fast_assign(
		__entry->gpu_id = dqm->dev->id;
		__assign_str(what);
	),

	TP_printk("gpu_id=%u no answer from %s", __entry->gpu_id,
		  __get_str(what))
);

#endif /* KFD_GPREEMPT_TRACE_H_INCLUDED */

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/gpu/drm/amd/amdkfd
#include <trace/define_trace.h>
