// SPDX-License-Identifier: GPL-2.0
/* Sources: v9_structs.h, gc_9_4_3_*.h and sdma_4_4_2_*.h of amdgpu; kfd_mqd_manager_v9.c */
#include <inttypes.h>
#include <string.h>

#include "decode_v9.h"

static const struct v9_field mqd_fields[] = {
#define FIELD(word, name, kind, what)	{ word, 1, 0, kind, #name, NULL, what },
#define RANGE(word, name, first, last, what)	\
	{ word, (last) - (first) + 1, first, VALUE, #name, NULL, what },
#define REG(word, name, reg, kind, what)	{ word, 1, 0, kind, #name, #reg, what },
#include "decode_v9.def"
};

static const struct v9_field one_xcc_fields[] = {
#define OTHER(word, name, kind, what)	{ word, 1, 0, kind, #name, NULL, what },
#include "decode_v9.def"
};

static const struct v9_field sdma_fields[] = {
#define SDMA(word, distance, name, reg, kind, what)	\
	{ word, 1, 0, kind, #name, "SDMA_RLC_" #reg, what },
#define SDMA_WORD(word, name, kind, what)	{ word, 1, 0, kind, #name, NULL, what },
#define SDMA_REG(distance, reg)	\
	{ V9_SDMA_NO_WORD + (distance), 1, 0, VALUE, "", "SDMA_RLC_" #reg, "" },
#include "decode_v9.def"
};

static const struct {
	unsigned short distance, word;
} sdma_regs[] = {
#define SDMA(word, distance, name, reg, kind, what)	{ distance, word },
#include "decode_v9.def"
};

static const struct {
	const char *name;	/* of the field */
	const char *bits;
	unsigned char first, number;
} bitfields[] = {
#define BITS(name, reg, bits, first, number)	{ #name, #bits, first, number },
#include "decode_v9.def"
};

static const struct v9_field *find(const struct v9_field *f, size_t n, unsigned int word)
{
	for (; n; n--, f++)
		if (word >= f->word && word - f->word < f->numbers)
			return f;
	return NULL;
}

const struct v9_field *v9_field(enum v9_layout layout, unsigned int word)
{
	const struct v9_field *f = NULL;

	if (layout == V9_SDMA)
		return find(sdma_fields, ARRAY_SIZE(sdma_fields), word);
	if (layout == V9_MQD_ONE_XCC)
		f = find(one_xcc_fields, ARRAY_SIZE(one_xcc_fields), word);
	return f ? f : find(mqd_fields, ARRAY_SIZE(mqd_fields), word);
}

unsigned int v9_sdma_word(unsigned int distance)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sdma_regs); i++)
		if (sdma_regs[i].distance == distance)
			return sdma_regs[i].word;
	return V9_SDMA_NO_WORD + distance;
}

/* From kfd_mqd_manager.c: 0 to 6 low, 7 to 10 medium, 11 to 15 high */
static const char *priority_name(uint32_t priority)
{
	return priority > 15 ? "out of bounds" :
	       priority > 10 ? "high" :
	       priority == 7 ? "normal" :
	       priority > 7 ? "above normal" : "low";
}

static const char *pipe_priority_name(uint32_t priority)
{
	static const char * const name[] = { "low", "medium", "high" };

	return priority < ARRAY_SIZE(name) ? name[priority] : "out of bounds";
}

/* A bit field that counts in powers of two says no more than 2^63 */
static uint64_t power(unsigned int exponent)
{
	return exponent < 64 ? 1ULL << exponent : 0;
}

void v9_explain(FILE *out, const struct v9_field *f, uint32_t value, const uint32_t *next)
{
	const char *sep = "  ";
	size_t i;

	if (*f->what) {
		fprintf(out, "%s%s", sep, f->what);
		sep = ": ";
	}

	switch (f->kind) {
	case COUNT:
		fprintf(out, "%s%" PRIu32, sep, value);
		return;
	case BYTES:
		fprintf(out, "%s%" PRIu32 " bytes", sep, value);
		return;
	case MASK:
		fprintf(out, "%s%d of them", sep, __builtin_popcount(value));
		return;
	case LOW:
	case LOW_256:
		if (next)
			fprintf(out, "%s0x%" PRIx64, sep, ((uint64_t)*next << 32 | value)
				<< (f->kind == LOW_256 ? 8 : 0));
		return;
	case PRIORITY:
		fprintf(out, "%s%" PRIu32 ", %s", sep, value, priority_name(value));
		return;
	case PIPE_PRIORITY:
		fprintf(out, "%s%" PRIu32 ", %s", sep, value, pipe_priority_name(value));
		return;
	case AQL:
		fprintf(out, "%s%s packets", sep, value & 1 ? "AQL" : "PM4");
		return;
	case HIGH:
		return;
	case RING_SIZE:
	case EOP_SIZE:
		fprintf(out, "%sring of %" PRIu64 " bytes", sep, power((value & 0x3f) + 3));
		break;
	case SDMA_RING_SIZE:
		fprintf(out, "%sring of %" PRIu64 " bytes", sep, power((value >> 1 & 0x1f) + 2));
		break;
	case VALUE:
		break;
	}

	if (*f->what || f->kind != VALUE)
		sep = ", ";
	for (i = 0; i < ARRAY_SIZE(bitfields); i++) {
		uint32_t bits = value >> bitfields[i].first &
				(uint32_t)(power(bitfields[i].number) - 1);

		if (!bits || strcmp(f->name, bitfields[i].name))
			continue;
		fprintf(out, "%s%s=%" PRIu32, sep, bitfields[i].bits, bits);
		sep = " ";
	}
}
