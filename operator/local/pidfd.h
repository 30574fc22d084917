// pidfd_open and pidfd_send_signal, which glibc 2.36 forgets to declare as C.
//
// Without owner or state; any thread.
#pragma once

extern "C" {
#include <sys/pidfd.h>
}
