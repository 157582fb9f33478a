/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * libgpreempt: priority preemption of AMD GPU compute queues, for programs that
 * talk to /dev/kfd themselves: runtimes, schedulers, monitoring. See
 * libgpreempt(3).
 *
 * Functions return 0 or a negative errno unless they say otherwise;
 * gpreempt_explain() has a sentence for each. A handle may be used by any
 * thread, but by the process only that opened it: /dev/kfd answers -EBADF to
 * children.
 */
#ifndef LIBGPREEMPT_H
#define LIBGPREEMPT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GPREEMPT_VERSION_MAJOR	1
#define GPREEMPT_VERSION_MINOR	0

struct gpreempt;

/* Where a queue is */
enum gpreempt_state {
	GPREEMPT_ACTIVE = 0,
	GPREEMPT_PREEMPTING = 1,
	GPREEMPT_PREEMPTED = 2,
	GPREEMPT_RESUMING = 3
};

/* Who keeps it off the hardware */
enum gpreempt_holder {
	GPREEMPT_HOLDER_NONE = 0,
	GPREEMPT_HOLDER_IOCTL = 1,	/* a program, or both */
	GPREEMPT_HOLDER_MONITOR = 2,	/* the driver, for a higher queue */
	GPREEMPT_HOLDER_NOBODY = 3	/* it is to come back, and cannot yet */
};

/* How a queue leaves the hardware */
enum gpreempt_how {
	GPREEMPT_DRAIN = 0,	/* when its waves have ended; without HWS only */
	GPREEMPT_SAVE = 2	/* at once, its waves are saved */
};

/* What is to be read besides what the driver knows; costs more */
#define GPREEMPT_READ_PENDING	0x1u
#define GPREEMPT_READ_WAVES	0x2u

/* flags of struct gpreempt_queue */
#define GPREEMPT_RUNS		0x1u	/* on the hardware, or in its runlist */
#define GPREEMPT_PREEMPTIBLE	0x2u	/* can be preempted at all */
#define GPREEMPT_PENDING_KNOWN	0x4u	/* pending was read */
#define GPREEMPT_WAVES_KNOWN	0x8u	/* waves was read */

/**
 * struct gpreempt_queue - a compute queue
 * @gpu_id: its device
 * @pid: its process, as the caller's PID namespace numbers it
 * @id: its number in that process
 * @state: enum gpreempt_state
 * @holder: enum gpreempt_holder
 * @priority: 0 to 15, 7 is normal
 * @flags: GPREEMPT_RUNS and the like
 * @waves: in flight on all XCCs together, if known
 * @pending: packets (PM4: dwords) not yet started, if known
 * @since_ns: since the last preemption or resume; 0 if @preemptions is
 * @preemptions: how often it was preempted
 */
struct gpreempt_queue {
	uint32_t gpu_id;
	pid_t pid;
	uint32_t id;
	uint32_t state;
	uint32_t holder;
	uint32_t priority;
	uint32_t flags;
	uint32_t waves;
	uint64_t pending;
	uint64_t since_ns;
	uint64_t preemptions;
};

/* What happened to queues of a device since the driver was loaded */
struct gpreempt_counters {
	uint64_t preemptions;
	uint64_t resumes;
	uint64_t ticks;		/* looks of the monitor at the queues */
	uint64_t inversions;	/* looks that found a lower queue in the way */
};

/**
 * struct gpreempt_gpu - a device, or a partition of one
 * @gpu_id: names it in all calls
 * @node: its number in the KFD topology
 * @partition: its number on the PCI device, 0 if that is not divided
 * @pci: domain:bus:device.function
 */
struct gpreempt_gpu {
	uint32_t gpu_id;
	uint32_t node;
	uint32_t partition;
	char pci[24];
};

/**
 * struct gpreempt_param - a parameter of a device's monitor
 * @name: as in sysfs, with the unit at its end
 * @what: what it is, in some words
 * @bounds: what it can be, in words
 * @min: smallest value, or 0 where @zero is set
 * @max: largest value
 * @def: value that it has at first; see @boot
 * @zero: 0 is valid though smaller than @min
 * @boot: what it has at first is a module parameter's value, @def unless given
 * @words: for values that have names, else NULL; ends with NULL
 */
struct gpreempt_param {
	const char *name;
	const char *what;
	const char *bounds;
	uint64_t min;
	uint64_t max;
	uint64_t def;
	int zero;
	const char *boot;
	const char *const *words;
};

/* What gpreempt_explain() is asked about */
enum gpreempt_op {
	GPREEMPT_OP_OPEN,
	GPREEMPT_OP_GPUS,
	GPREEMPT_OP_PREEMPT,
	GPREEMPT_OP_RESUME,
	GPREEMPT_OP_QUERY,
	GPREEMPT_OP_GET,
	GPREEMPT_OP_SET
};

/* Opens /dev/kfd. What is preempted through the handle comes back when it is closed. */
int gpreempt_open(struct gpreempt **gp);
/* The same with a file of /dev/kfd that the caller has, and closes himself */
int gpreempt_open_fd(struct gpreempt **gp, int fd);
void gpreempt_close(struct gpreempt *gp);
int gpreempt_fd(const struct gpreempt *gp);	/* returns the file */

/* Up to @max of them into @gpus; returns how many there are */
int gpreempt_gpus(struct gpreempt_gpu *gpus, size_t max);

/*
 * @pid 0 is the caller. @timeout_ms 0 is the driver's own; only GPREEMPT_DRAIN
 * minds it. A queue that the handle holds already, or that is not preempted: 0.
 */
int gpreempt_preempt(struct gpreempt *gp, pid_t pid, uint32_t queue, enum gpreempt_how how,
		     unsigned int timeout_ms);
int gpreempt_resume(struct gpreempt *gp, pid_t pid, uint32_t queue, unsigned int timeout_ms);

/* @flags: GPREEMPT_READ_PENDING and the like */
int gpreempt_query(struct gpreempt *gp, uint32_t gpu_id, pid_t pid, uint32_t queue,
		   unsigned int flags, struct gpreempt_queue *out);
int gpreempt_counters(struct gpreempt *gp, uint32_t gpu_id, struct gpreempt_counters *out);

/* The next process with queues after *@pid, 0 at first; -ENOENT when there is none */
int gpreempt_next_pid(struct gpreempt *gp, uint32_t gpu_id, pid_t *pid);
/* The first compute queue of @pid from number @from on; -ENOENT when there is none */
int gpreempt_next_queue(struct gpreempt *gp, uint32_t gpu_id, pid_t pid, uint32_t from,
			unsigned int flags, struct gpreempt_queue *out);
/*
 * Calls @fn for each compute queue that the caller may preempt, on device
 * @gpu_id or, if that is 0, on all. What @fn returns other than 0 ends it and is
 * returned. Processes that end meanwhile are passed over.
 */
int gpreempt_for_each_queue(struct gpreempt *gp, uint32_t gpu_id, unsigned int flags,
			    int (*fn)(const struct gpreempt_queue *queue, void *arg), void *arg);

/* The parameters, from 0 on; NULL after the last */
const struct gpreempt_param *gpreempt_param(unsigned int n);
/* -ENOENT: there is no parameter of that name */
int gpreempt_get(struct gpreempt *gp, uint32_t gpu_id, const char *name, uint64_t *value);
int gpreempt_set(struct gpreempt *gp, uint32_t gpu_id, const char *name, uint64_t value);

/* Words as in debugfs; never NULL */
const char *gpreempt_state_name(uint32_t state);
const char *gpreempt_holder_name(uint32_t holder);
/* What @error, of either sign, of @op means and what to do; never NULL */
const char *gpreempt_explain(enum gpreempt_op op, int error);
const char *gpreempt_version(void);

#ifdef __cplusplus
}
#endif

#endif
