// SPDX-License-Identifier: GPL-2.0
#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "json.h"

void json_init(struct json *j, FILE *out)
{
	*j = (struct json){ .out = out };
}

/* Bytes of the UTF-8 character at @s, 0 if it is none */
static int utf8_len(const unsigned char *s)
{
	uint32_t c;
	int n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	c = s[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/* Longer than need be, half of a surrogate pair, or beyond Unicode */
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
	    (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	return n;
}

static void quote(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	int n;

	putc('"', out);
	for (; *s; s += n ? n : 1) {
		n = utf8_len(s);
		if (!n)
			fputs("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, n, out);
	}
	putc('"', out);
}

static void begin(struct json *j, const char *name)
{
	if (j->comma)
		putc(',', j->out);
	if (name) {
		quote(j->out, name);
		putc(':', j->out);
	}
}

static void finish(struct json *j)
{
	j->comma = j->depth;
	if (!j->depth)
		putc('\n', j->out);
}

static void enter(struct json *j, const char *name, const char *brackets)
{
	assert(j->depth < JSON_DEPTH);
	begin(j, name);
	putc(brackets[0], j->out);
	j->close[j->depth++] = brackets[1];
	j->comma = false;
}

void json_object(struct json *j, const char *name)
{
	enter(j, name, "{}");
}

void json_array(struct json *j, const char *name)
{
	enter(j, name, "[]");
}

void json_end(struct json *j)
{
	assert(j->depth);
	putc(j->close[--j->depth], j->out);
	finish(j);
}

void json_string(struct json *j, const char *name, const char *value)
{
	if (!value) {
		json_null(j, name);
		return;
	}
	begin(j, name);
	quote(j->out, value);
	finish(j);
}

void json_uint(struct json *j, const char *name, uint64_t value)
{
	begin(j, name);
	fprintf(j->out, "%" PRIu64, value);
	finish(j);
}

void json_int(struct json *j, const char *name, int64_t value)
{
	begin(j, name);
	fprintf(j->out, "%" PRId64, value);
	finish(j);
}

void json_double(struct json *j, const char *name, double value)
{
	if (!isfinite(value)) {
		json_null(j, name);
		return;
	}
	begin(j, name);
	fprintf(j->out, "%.10g", value);
	finish(j);
}

void json_bool(struct json *j, const char *name, bool value)
{
	begin(j, name);
	fputs(value ? "true" : "false", j->out);
	finish(j);
}

void json_null(struct json *j, const char *name)
{
	begin(j, name);
	fputs("null", j->out);
	finish(j);
}
