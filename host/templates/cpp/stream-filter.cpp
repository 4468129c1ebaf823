// {{NAME}}: makes capitals of requests, and counts the bytes of answers, while they pass.

#include "sluice/sluice.hpp"

class Passer : public sluice::StreamFilter {
 public:
  std::string on_request_chunk(sluice::Exchange &, std::string_view chunk, bool) override {
    std::string made(chunk);
    for (char &each : made) {
      if (each >= 'a' && each <= 'z') each = static_cast<char>(each - 'a' + 'A');
    }
    return made;
  }

  std::string on_response_chunk(sluice::Exchange &, std::string_view chunk, bool last) override {
    count_ += chunk.size();
    std::string made(chunk);
    if (last) made += "[" + std::to_string(count_) + "]";
    return made;
  }

 private:
  // All pieces of an exchange meet one instance, and it meets no others.
  std::size_t count_ = 0;
};

SLUICE_EXPORT(Passer)
