/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR MIT) */
/*
 * What the GPREEMPT series adds to the kernel's header of this name, for
 * programs that are built against the headers of any kernel. The part between
 * the guards is the same text as in the series.
 */
#include_next <linux/kfd_ioctl.h>

#ifndef AMDKFD_IOC_PREEMPT_QUEUE

/*
 * GPREEMPT: priority preemption of compute queues.
 *
 * Numbers 0x87 to 0x89 lie far above those that amdkfd uses upstream. They
 * answer -ENOTTY where CONFIG_HSA_AMD_GPREEMPT is not set. Members that an
 * operation does not use must be zero, else -EINVAL; members "from KFD" are
 * written only, except on error.
 */

/* A queue goes off the hardware when its waves have ended. Without HWS only */
#define KFD_IOC_PREEMPT_WAVEFRONT_DRAIN		0
/* Would throw work away: always -EINVAL */
#define KFD_IOC_PREEMPT_WAVEFRONT_RESET		1
/* Waves are saved, and run on after the resume */
#define KFD_IOC_PREEMPT_WAVEFRONT_SAVE		2

/**
 * struct kfd_ioctl_preempt_queue_args - take a compute queue off the hardware
 * @queue_id: to KFD: the queue
 * @preempt_type: to KFD: KFD_IOC_PREEMPT_WAVEFRONT_SAVE or _DRAIN
 * @timeout_ms: to KFD: how long to wait for DRAIN, in milliseconds, 0 for the
 *	driver's default. Longer times than the module parameter
 *	queue_preemption_timeout_ms are cut to it. SAVE always has the
 *	driver's own time: hardware that is given up on in the middle of a
 *	save has to be reset.
 * @pid: to KFD: process that owns the queue, as the caller's PID namespace
 *	numbers it; 0 for the caller. Another process must have the caller's
 *	real user ID, or the caller CAP_SYS_NICE over it.
 *
 * The queue stays off the hardware until AMDKFD_IOC_RESUME_QUEUE is called on
 * the same open file, or until that file is closed for the last time, which
 * mappings, duplicates and children delay. Ring, read and write pointer and
 * doorbell are not touched; packets may be submitted meanwhile. A queue that
 * the monitor has preempted is from now on held by the file as well. A queue
 * that the file holds already: 0.
 *
 * Errors: -EINVAL no such queue, bad type or unused member not zero;
 * -EOPNOTSUPP not a compute queue, a GWS queue, no context save area, or DRAIN
 * with a hardware scheduler; -ESRCH no such process, or it does not use KFD;
 * -EPERM not the caller's to preempt; -EBUSY another open file holds the
 * queue, or it is being destroyed; -ETIME it did not answer, and with HWS was
 * reset for that, if the device can do so; -EIO the device is in reset, hung
 * or gone, or the queue has been reset before; -EINTR a signal came while it
 * waited for the owner; -ENOMEM. After any other error
 * the queue is where it was before.
 */
struct kfd_ioctl_preempt_queue_args {
	__u32 queue_id;
	__u32 preempt_type;
	__u32 timeout_ms;
	__u32 pid;
};

/**
 * struct kfd_ioctl_resume_queue_args - end AMDKFD_IOC_PREEMPT_QUEUE
 * @queue_id: to KFD: the queue
 * @timeout_ms: to KFD: hint how long to wait for the hardware, in milliseconds,
 *	0 for the driver's default, which this driver always uses
 * @pid: to KFD: as in AMDKFD_IOC_PREEMPT_QUEUE
 * @pad: must be zero
 *
 * The queue runs on where it was, unless something else keeps it inactive: the
 * monitor, an eviction, the debugger. A queue that is not preempted: 0.
 *
 * Errors: as AMDKFD_IOC_PREEMPT_QUEUE; -EBUSY also when only the monitor holds
 * the queue.
 */
struct kfd_ioctl_resume_queue_args {
	__u32 queue_id;
	__u32 timeout_ms;
	__u32 pid;
	__u32 pad;
};

/* Read the counters of a device and the state of a queue */
#define KFD_IOC_GPREEMPT_OP_QUERY		0
/* Read a parameter of a device's monitor */
#define KFD_IOC_GPREEMPT_OP_GET			1
/* Write a parameter of a device's monitor; needs CAP_SYS_ADMIN */
#define KFD_IOC_GPREEMPT_OP_SET			2
/* QUERY of the first compute queue whose ID is not smaller than the given one */
#define KFD_IOC_GPREEMPT_OP_NEXT_QUEUE		3
/* Find the first process with queues whose PID is larger than the given one */
#define KFD_IOC_GPREEMPT_OP_NEXT_PID		4

/* 1: the monitor preempts by priority, 0: it does not */
#define KFD_IOC_GPREEMPT_PARAM_ENABLE		0
/* Time between two looks at the queues, in microseconds */
#define KFD_IOC_GPREEMPT_PARAM_INTERVAL_US	1
/* Microseconds without work in all higher queues before a resume */
#define KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US	2
/* Milliseconds after which a preempted queue gets a slice in any case */
#define KFD_IOC_GPREEMPT_PARAM_STARVATION_MS	3
/* Length of that slice, in microseconds */
#define KFD_IOC_GPREEMPT_PARAM_SLICE_US		4
/* 0: levels wait for each other; 1: a preempted queue rises while it waits */
#define KFD_IOC_GPREEMPT_PARAM_POLICY		5
/* Milliseconds in which it rises by one level */
#define KFD_IOC_GPREEMPT_PARAM_AGING_MS		6
/*
 * Microseconds after which a queue makes room for one of its level, when they
 * cannot all be mapped at once; 0: never
 */
#define KFD_IOC_GPREEMPT_PARAM_TURN_US		7
/* 1: nice values and users count besides the priorities of queues, 0: not */
#define KFD_IOC_GPREEMPT_PARAM_RANK		8

/* queue_id of QUERY for the device alone */
#define KFD_IOC_GPREEMPT_NO_QUEUE		0xffffffffU

#define KFD_IOC_GPREEMPT_QUEUE_ACTIVE		0
#define KFD_IOC_GPREEMPT_QUEUE_PREEMPTING	1
#define KFD_IOC_GPREEMPT_QUEUE_PREEMPTED	2
#define KFD_IOC_GPREEMPT_QUEUE_RESUMING		3

#define KFD_IOC_GPREEMPT_HOLDER_NONE		0
#define KFD_IOC_GPREEMPT_HOLDER_IOCTL		1
#define KFD_IOC_GPREEMPT_HOLDER_MONITOR		2
/*
 * Its holder let go of it, but it could not be put back. The driver tries that
 * again, and so does any AMDKFD_IOC_RESUME_QUEUE.
 */
#define KFD_IOC_GPREEMPT_HOLDER_NOBODY		3

/* flags of QUERY and NEXT_QUEUE: what takes more than a look at the driver */
/* Read the pointers of the queue, for @queue_pending */
#define KFD_IOC_GPREEMPT_READ_PENDING		0x1
/* Read registers of all XCCs, for @queue_waves */
#define KFD_IOC_GPREEMPT_READ_WAVES		0x2

/* queue_flags */
/* On the hardware, or in the runlist of the hardware's scheduler */
#define KFD_IOC_GPREEMPT_QUEUE_RUNS		0x1
/* AMDKFD_IOC_PREEMPT_QUEUE would not be refused for what it is */
#define KFD_IOC_GPREEMPT_QUEUE_PREEMPTIBLE	0x2
/* queue_pending was read */
#define KFD_IOC_GPREEMPT_QUEUE_PENDING_KNOWN	0x4
/* queue_waves was read */
#define KFD_IOC_GPREEMPT_QUEUE_WAVES_KNOWN	0x8

/**
 * struct kfd_ioctl_gpreempt_args - configuration, state and counters
 * @op: to KFD: KFD_IOC_GPREEMPT_OP_*
 * @gpu_id: to KFD: the device
 * @param: to KFD: KFD_IOC_GPREEMPT_PARAM_* for GET and SET, else zero
 * @queue_id: to KFD: a queue on the device, or KFD_IOC_GPREEMPT_NO_QUEUE, for
 *	QUERY; where to begin for NEXT_QUEUE; else zero. From KFD: the queue
 *	that NEXT_QUEUE found
 * @value: to KFD for SET, from KFD for GET, else zero; the unit is in the
 *	parameter's name
 * @pid: to KFD: the process that owns the queue for QUERY and NEXT_QUEUE, as in
 *	AMDKFD_IOC_PREEMPT_QUEUE; where to begin for NEXT_PID, 0 at first; else
 *	zero. From KFD: the process that NEXT_PID found
 * @flags: to KFD: KFD_IOC_GPREEMPT_READ_* for QUERY of a queue and NEXT_QUEUE,
 *	else zero
 * @queue_state: from KFD: KFD_IOC_GPREEMPT_QUEUE_ACTIVE to _RESUMING
 * @queue_holder: from KFD: KFD_IOC_GPREEMPT_HOLDER_*; IOCTL also if both hold it
 * @queue_priority: from KFD: priority of the queue, 0 to 15
 * @queue_flags: from KFD: KFD_IOC_GPREEMPT_QUEUE_RUNS to _WAVES_KNOWN
 * @queue_waves: from KFD: its waves in flight, on all XCCs together, if known.
 *	Saved ones are not in flight.
 * @queue_pad: from KFD: zero
 * @queue_pending: from KFD: what it has in its ring and has not started, in AQL
 *	packets or, for a PM4 queue, dwords, if known. The process can have
 *	written anything there; pointers that make no sense count as zero.
 * @queue_since_ns: from KFD: time since the last preemption or resume, in
 *	nanoseconds; 0 if @queue_preemptions is 0
 * @queue_preemptions: from KFD: times this queue was preempted
 * @preemptions: from KFD: preemptions of queues of the device
 * @resumes: from KFD: resumes of queues of the device
 * @ticks: from KFD: looks of the monitor at the queues
 * @inversions: from KFD: ticks that found a lower queue in a higher one's way
 *
 * Members from @queue_state on are written by QUERY and NEXT_QUEUE only.
 *
 * NEXT_PID and NEXT_QUEUE together visit all queues that the caller may
 * preempt. A process that NEXT_PID found can have ended, or have executed
 * another program: -ESRCH then is to be passed over. Queues of a process that
 * has no PID in the caller's PID namespace are not found.
 *
 * Errors: -EINVAL unknown op, device, parameter or queue, value out of bounds,
 * or an unused member that is not zero; -EPERM SET without CAP_SYS_ADMIN, or
 * not the caller's to look at; -ESRCH no such process, or it does not use KFD;
 * -ENOENT no further queue or process; -EOPNOTSUPP enable on a device that
 * cannot save or count waves; -EINTR; -ENOMEM.
 */
struct kfd_ioctl_gpreempt_args {
	__u32 op;
	__u32 gpu_id;
	__u32 param;
	__u32 queue_id;
	__u64 value;
	__u32 pid;
	__u32 flags;
	__u32 queue_state;
	__u32 queue_holder;
	__u32 queue_priority;
	__u32 queue_flags;
	__u32 queue_waves;
	__u32 queue_pad;
	__u64 queue_pending;
	__u64 queue_since_ns;
	__u64 queue_preemptions;
	__u64 preemptions;
	__u64 resumes;
	__u64 ticks;
	__u64 inversions;
};

#define AMDKFD_IOC_PREEMPT_QUEUE		\
		AMDKFD_IOW(0x87, struct kfd_ioctl_preempt_queue_args)

#define AMDKFD_IOC_RESUME_QUEUE			\
		AMDKFD_IOW(0x88, struct kfd_ioctl_resume_queue_args)

#define AMDKFD_IOC_GPREEMPT			\
		AMDKFD_IOWR(0x89, struct kfd_ioctl_gpreempt_args)

#define AMDKFD_GPREEMPT_COMMAND_START		0x87
#define AMDKFD_GPREEMPT_COMMAND_END		0x8A

#endif /* AMDKFD_IOC_PREEMPT_QUEUE */
