-- One decision by the generic cell rate algorithm, on the server's clock.
--
-- KEYS[1]: the limit's key. ARGV: `rate` tokens each `period` microseconds, in lowest terms; `burst`; `cost`.
-- A key holds its level, when that was so, and the rate by which it falls. The level is in tokens times `period`,
-- so that it falls by `rate` each microsecond, and all numbers are whole: exact below 2^53.
local rate, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local burst, cost = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local level = 0
local kept = redis.call('GET', KEYS[1])
local was, since, fell = string.match(kept or '', '^(%d+) (%d+) (%d+)$')
if was and tonumber(fell) > 0 then
  level = tonumber(was)
  -- With another limit, it is still the same time until all tokens are back.
  if tonumber(fell) ~= rate then level = math.ceil(level / tonumber(fell) * rate) end
  -- A clock that was set back gives nothing, and takes nothing.
  local passed = math.max(0, now - tonumber(since))
  level = math.max(0, level - passed * rate)
end
local capacity = burst * period
local wanted = level + cost * period
local admitted = wanted <= capacity
local after = admitted and wanted or level
if admitted and cost > 0 then
  -- A key whose tokens are all back says no more than none.
  local left = math.min(math.ceil(after / rate / 1000) + 1, 3155760000000)
  redis.call('SET', KEYS[1], string.format('%.0f %.0f %.0f', after, now, rate), 'PX', string.format('%.0f', left))
end
local function whole(number) return string.format('%.0f', number) end
return {
  admitted and 1 or 0,
  whole(math.floor(math.max(0, capacity - after) / period)),
  whole(math.ceil(after / rate / 1000)),
  admitted and '0' or whole(math.ceil((wanted - capacity) / rate / 1000)),
}
