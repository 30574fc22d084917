"""Where Pannier is meant to differ from RabbitMQ 3.10: why, and the line that asks for it.

What is not here and differs is a mistake. What is here and does not differ is one, too.
"""

METHODS = (
    "the design, section 3 (AMQP 0-9-1): every class and method but the long-obsolete ones"
)

DIFFERENCES = {
    "flow_stopped": f"deliveries stop until they are asked for again. {METHODS}",
    "header_of_old_versions": f"0-9 and 0-8 are obsolete. {METHODS}",
    "body_larger": (
        "3.10 waits for ever. RabbitMQ 4.3 answers 501, too: rabbit_command_assembler, "
        "content body frame exceeds remaining content size"
    ),
    "body_absurd": (
        "refused as soon as it is announced; 3.10 would have to receive it first. The design, "
        "section 3 (AMQP 0-9-1): the largest message is 16 MiB by default, 128 MiB at most"
    ),
    "dead_headers": (
        "3.10 does not have the x-last-death headers, whose order means nothing. RabbitMQ 3.13, "
        "dead lettering: x-last-death-reason, x-last-death-queue and x-last-death-exchange"
    ),
    "queue_bad_timeout": (
        "3.10 does not know the argument. RabbitMQ 4.3, release notes: the timeout can be set via "
        "the x-consumer-timeout queue argument; there it must not be negative"
    ),
}
