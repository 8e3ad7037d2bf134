/* SPDX-License-Identifier: Apache-2.0 */
/* Questions as the broker sees them: what a porter says of them is not trusted. */
#include <errno.h>
#include <string.h>

#include "broker/internal.h"

int questions_add(struct open_questions *questions, uint64_t id)
{
	if (id <= questions->last || questions->count == SP_QUESTIONS_MAX)
		return -EBADMSG; /* the caller has made room */
	questions->last = id;
	questions->ids[questions->count++] = id;
	return 0;
}

bool questions_remove(struct open_questions *questions, uint64_t id)
{
	for (size_t i = 0; i < questions->count; i++) {
		if (questions->ids[i] != id)
			continue;
		questions->count--;
		memmove(&questions->ids[i], &questions->ids[i + 1],
			(questions->count - i) * sizeof(questions->ids[0]));
		return true;
	}
	return false;
}
