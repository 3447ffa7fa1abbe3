/* The tail queues of BSD's sys/queue.h that lighttpd's HTTP/2 header compression
 * (src/ls-hpack) uses; musl has no such header. */
#ifndef SYS_QUEUE_H
#define SYS_QUEUE_H

#define STAILQ_HEAD(name, type) \
    struct name { struct type *stqh_first, **stqh_last; }
#define STAILQ_ENTRY(type) \
    struct { struct type *stqe_next; }

#define STAILQ_FIRST(head) ((head)->stqh_first)
#define STAILQ_NEXT(elm, field) ((elm)->field.stqe_next)
#define STAILQ_EMPTY(head) (STAILQ_FIRST(head) == 0)
#define STAILQ_FOREACH(var, head, field) \
    for ((var) = STAILQ_FIRST(head); (var); (var) = STAILQ_NEXT(var, field))

#define STAILQ_INIT(head) do { \
    STAILQ_FIRST(head) = 0; \
    (head)->stqh_last = &STAILQ_FIRST(head); \
} while (0)

#define STAILQ_INSERT_TAIL(head, elm, field) do { \
    STAILQ_NEXT(elm, field) = 0; \
    *(head)->stqh_last = (elm); \
    (head)->stqh_last = &STAILQ_NEXT(elm, field); \
} while (0)

#define STAILQ_REMOVE_HEAD(head, field) do { \
    STAILQ_FIRST(head) = STAILQ_NEXT(STAILQ_FIRST(head), field); \
    if (STAILQ_EMPTY(head)) \
        (head)->stqh_last = &STAILQ_FIRST(head); \
} while (0)

#endif
