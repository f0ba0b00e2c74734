-- Curfew behind HAProxy: asks Curfew whether a request may pass, and answers in its place if not. HAProxy 2.5 or later,
-- which brings a client for HTTP, with Lua; Debian's package has both. Copy it to /etc/haproxy.

local CURFEW = "http://127.0.0.1:8080/.curfew/auth"
local TIMEOUT = 1000 -- ms, for each of the four times that HAProxy tries

-- What Curfew says about the sender, which takes the place of what the client sent.
local IDENTITY = { "remote-user", "remote-name", "remote-role", "cookie" }

-- What of the client's request Curfew needs: who sends it, and whether a person or a page does.
local ASKED = {
	"cookie", "accept", "upgrade", "purpose", "sec-purpose", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest",
	"sec-fetch-user", "x-requested-with", "curfew-passive",
}

local function values(headers, name)
	local list = {}
	local i = 0
	while headers[name] and headers[name][i] do
		list[#list + 1] = headers[name][i]
		i = i + 1
	end
	return list
end

local function question(txn)
	local given = txn.http:req_get_headers()
	local headers = {}
	for _, name in ipairs(ASKED) do
		local list = values(given, name)
		if #list > 0 then
			headers[name] = list
		end
	end
	headers["x-forwarded-method"] = { txn.sf:method() }
	headers["x-forwarded-proto"] = { txn.f:ssl_fc() and "https" or "http" }
	headers["x-forwarded-host"] = { values(given, "host")[1] or "" }
	headers["x-forwarded-uri"] = { txn.sf:pathq() }
	headers["x-forwarded-for"] = { txn.sf:src() }
	return headers
end

-- Curfew has not answered.
local function down(txn)
	local reply = txn:reply({ status = 503 })
	reply:add_header("content-type", "text/html")
	reply:add_header("cache-control", "no-store")
	reply:add_header("retry-after", "5")
	reply:set_body('<!doctype html><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>Not at the moment</title><p>Not at the moment: nobody knows who may pass. Try again in a few seconds.')
	txn:done(reply)
end

local function refuse(txn, status, headers, body)
	local reply = txn:reply({ status = status })
	for _, name in ipairs({ "location", "content-type", "cache-control", "retry-after", "www-authenticate", "x-content-type-options", "content-security-policy" }) do
		for _, value in ipairs(values(headers, name)) do
			reply:add_header(name, value)
		end
	end
	reply:set_body(body)
	txn:done(reply)
end

core.register_action("curfew", { "http-req" }, function(txn)
	local answer = core.httpclient():get({ url = CURFEW, headers = question(txn), timeout = TIMEOUT })
	local status = answer and answer.status or 0
	local own = status == 502 or status == 504 or status == 503 and #values(answer.headers, "retry-after") == 0 -- the HTTP client's
	if status < 200 or own then
		return down(txn)
	end
	if status ~= 200 then
		return refuse(txn, status, answer.headers, answer.body)
	end
	for _, name in ipairs(IDENTITY) do
		txn.http:req_del_header(name)
		local value = values(answer.headers, name)[1]
		if value and value ~= "" then
			txn.http:req_set_header(name, value)
		end
	end
end, 0)
