// LabelSelector: which pods are meant, by their labels (metav1.LabelSelector: matchLabels, and
// matchExpressions with In, NotIn, Exists, DoesNotExist).
//
// A value type and pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/yaml_field.h"

namespace pannier::api {

enum class LabelOperator : std::uint8_t { in, not_in, exists, does_not_exist };
inline constexpr Named<LabelOperator> kLabelOperatorNames[] = {
    {"In", LabelOperator::in},
    {"NotIn", LabelOperator::not_in},
    {"Exists", LabelOperator::exists},
    {"DoesNotExist", LabelOperator::does_not_exist},
};

struct LabelExpression {
  std::string key;
  LabelOperator op = LabelOperator::in;
  std::vector<std::string> values;  // for in and not_in only

  bool operator==(const LabelExpression&) const = default;
};

struct LabelSelector {
  std::map<std::string, std::string> match_labels;
  std::vector<LabelExpression> match_expressions;

  bool operator==(const LabelSelector&) const = default;
};

// All of it must hold; an empty selector selects everything.
bool selects(const LabelSelector& selector, const std::map<std::string, std::string>& labels);

}  // namespace pannier::api
