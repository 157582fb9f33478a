/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The FIFO by which resume finds the process that holds a target: the holder has
 * it open to read, so one that is left over means nothing.
 */
#ifndef RUNFILE_H
#define RUNFILE_H

#include "target.h"

/**
 * struct runfile - the FIFO of a target
 * @path: its name
 * @fd: open, or -1; readable when the hold is to end
 */
struct runfile {
	char path[4096];
	int fd;
};

bool runfile_take(struct runfile *f, const struct target *t);
void runfile_remove(struct runfile *f);
bool runfile_end_holder(const struct target *t);

#endif
