// dead_letter_problem: where a queue's dead letters have no place to go to.
//
// Pure; any thread. Only what is certain is said: an exchange may have been declared by clients
// where their class lets them.
#pragma once

#include <string>

#include "operator/namespace_view.h"

namespace pannier {

// Empty when every agent that serves the queue has the place, or may have it.
std::string dead_letter_problem(const NamespaceView& view, const ViewedQueue& queue);

}  // namespace pannier
