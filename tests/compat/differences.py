"""Where Pannier is meant to differ from RabbitMQ 3.10: why, and the line that asks for it.

What is not here and differs is a mistake. What is here and does not differ is one, too.
"""

DESIGN = "design, section 3: "

DIFFERENCES = {}
