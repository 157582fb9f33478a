/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes JSON as it goes: values in the order of the calls, commas between
 * them. One value at the top is one line, so a stream of them is JSON Lines.
 * The name of a value is NULL in an array and at the top, and only there.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH	16

/**
 * struct json - a writer
 * @out: where to
 * @depth: objects and arrays that are open
 * @close: how each of them ends
 * @comma: the next value has one before it
 */
struct json {
	FILE *out;
	unsigned int depth;
	char close[JSON_DEPTH];
	bool comma;
};

void json_init(struct json *j, FILE *out);
void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_end(struct json *j);	/* of the last object or array */

/* NULL is null. Bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *j, const char *name, const char *value);
void json_uint(struct json *j, const char *name, uint64_t value);
void json_int(struct json *j, const char *name, int64_t value);
void json_double(struct json *j, const char *name, double value);	/* not a number: null */
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);

#endif
