-- Adds to a counter in one step, and returns the sum as text, since numbers here have 53 bits; false if the key
-- holds something else.
--
-- KEYS[1]: the counter. ARGV: what to add; milliseconds to live for a new one, or an empty text.
local fresh = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' and sum.err then
  if string.find(sum.err, 'overflow', 1, true) then
    local end_of_numbers = string.sub(ARGV[1], 1, 1) == '-' and '-9223372036854775808' or '9223372036854775807'
    redis.call('SET', KEYS[1], end_of_numbers, 'KEEPTTL')
    return end_of_numbers
  end
  if string.find(sum.err, 'not an integer', 1, true) then return false end
  return sum
end
local text = redis.call('GET', KEYS[1])
if fresh and ARGV[2] ~= '' then
  if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return text
