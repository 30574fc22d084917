#include "common/json_text.h"
#include "sidecar/http/request.h"

namespace pannier::http {

Response problem(unsigned status, std::string_view code, std::string_view detail,
                 std::string_view instance) {
  Response response;
  response.status = status;
  std::string text = "{\"status\":" + std::to_string(status) + ",\"code\":\"";
  append_json_escaped(text, code);
  text += "\",\"detail\":\"";
  append_json_escaped(text, detail);
  text += "\",\"instance\":\"";
  append_json_escaped(text, instance);
  text += "\"}";
  response.fields = {{"Content-Type", "application/problem+json"}};
  response.body = Slice::copy_of(text);
  return response;
}

}  // namespace pannier::http
