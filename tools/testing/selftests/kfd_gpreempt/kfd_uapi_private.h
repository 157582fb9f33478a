/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef KFD_UAPI_PRIVATE_H
#define KFD_UAPI_PRIVATE_H
#ifndef AMDKFD_IOC_PREEMPT_QUEUE
#define KFD_IOC_PREEMPT_WAVEFRONT_DRAIN 0
#define KFD_IOC_PREEMPT_WAVEFRONT_RESET 1
#define KFD_IOC_PREEMPT_WAVEFRONT_SAVE  2
struct kfd_ioctl_preempt_queue_args {
	__u32 queue_id, preempt_type, timeout_ms, pid;
};

struct kfd_ioctl_resume_queue_args {
	__u32 queue_id, timeout_ms, pid, pad;
};

#define KFD_IOC_GPREEMPT_OP_QUERY 0
#define KFD_IOC_GPREEMPT_OP_GET 1
#define KFD_IOC_GPREEMPT_OP_SET 2
#define KFD_IOC_GPREEMPT_PARAM_ENABLE 0
#define KFD_IOC_GPREEMPT_PARAM_INTERVAL_US 1
#define KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US 2
#define KFD_IOC_GPREEMPT_PARAM_STARVATION_MS 3
#define KFD_IOC_GPREEMPT_PARAM_SLICE_US 4
#define KFD_IOC_GPREEMPT_QUEUE_ACTIVE 0
#define KFD_IOC_GPREEMPT_QUEUE_PREEMPTING 1
#define KFD_IOC_GPREEMPT_QUEUE_PREEMPTED 2
#define KFD_IOC_GPREEMPT_QUEUE_RESUMING 3
#define KFD_IOC_GPREEMPT_NO_QUEUE 0xffffffffU
#define KFD_IOC_GPREEMPT_HOLDER_NONE 0
#define KFD_IOC_GPREEMPT_HOLDER_IOCTL 1
#define KFD_IOC_GPREEMPT_HOLDER_MONITOR 2
struct kfd_ioctl_gpreempt_args {
	__u32 op;
	__u32 gpu_id;
	__u32 param;
	__u32 queue_id;
	__u64 value;
	__u32 queue_state;
	__u32 queue_holder;
	__u64 queue_preemptions;
	__u64 preemptions;
	__u64 resumes;
	__u64 ticks;
	__u64 inversions;
};

#define AMDKFD_IOC_PREEMPT_QUEUE AMDKFD_IOW(0x87, struct kfd_ioctl_preempt_queue_args)
#define AMDKFD_IOC_RESUME_QUEUE  AMDKFD_IOW(0x88, struct kfd_ioctl_resume_queue_args)
#define AMDKFD_IOC_GPREEMPT      AMDKFD_IOWR(0x89, struct kfd_ioctl_gpreempt_args)
#endif
#endif
