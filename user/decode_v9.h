/* SPDX-License-Identifier: GPL-2.0 */
/* The words of MQDs and HQDs of GC 9 (MI300 and before), by name. */
#ifndef DECODE_V9_H
#define DECODE_V9_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define V9_HEADER	0xc0310800	/* first word of an MQD */
#define V9_MQD_WORDS	512
#define V9_SDMA_WORDS	128
/* The registers of an HQD are words of the MQD from here on, in the same order */
#define V9_HQD_WORD	128
#define V9_HQD_WORDS	56
/* CP_MQD_BASE_ADDR, the first of them, without the base of its XCC */
#define V9_HQD_REG	0x1245
#define V9_BASE_ALIGN	0x1000
/* Registers of an SDMA queue that have no word in its MQD: this + distance from the first */
#define V9_SDMA_NO_WORD	0x1000

enum {
#define FIELD(word, name, kind, what)			name = word,
#define REG(word, name, reg, kind, what)		name = word,
#define SDMA(word, distance, name, reg, kind, what)	name = word,
#define SDMA_WORD(word, name, kind, what)		name = word,
#include "decode_v9.def"
};

/* How a value is said in words */
enum v9_kind {
	VALUE, COUNT, BYTES, MASK,
	LOW, LOW_256, HIGH,	/* halves of an address, in bytes or in 256 bytes */
	PRIORITY, PIPE_PRIORITY, RING_SIZE, SDMA_RING_SIZE, EOP_SIZE, AQL,
};

struct v9_field {
	unsigned short word;
	unsigned short numbers;	/* words of this name, with a number after it */
	unsigned short first;	/* the first number */
	enum v9_kind kind;
	const char *name;
	const char *reg;	/* NULL if it is not a register of an HQD */
	const char *what;
};

enum v9_layout { V9_MQD, V9_MQD_ONE_XCC, V9_SDMA };

const struct v9_field *v9_field(enum v9_layout layout, unsigned int word);

/* The word at which a register is kept, for its distance from the first, in words */
unsigned int v9_sdma_word(unsigned int distance);

/* What @value means; @next is the word after it, or NULL if that is not known */
void v9_explain(FILE *out, const struct v9_field *f, uint32_t value, const uint32_t *next);

#endif
