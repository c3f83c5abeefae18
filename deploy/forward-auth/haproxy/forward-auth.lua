-- Asks the gateway whether a request may pass, and tells the upstream what it answers: docs/forward-auth.md.

local GATEWAY = "http://127.0.0.1:9070/verify"
local PATIENCE = 5000 -- milliseconds

-- What the upstream is told, all of it in every answer.
local TOLD = {
    "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
    "x-user-id", "x-user-email", "x-user-role", "x-session-id", "signature-input", "signature",
}

-- What is not part of a question, or of an answer that is passed on: framing, and what concerns one connection.
local FRAMING = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true,
    ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true, ["x-problem"] = true,
}

local EXACT = {
    ["forwarded"] = true, ["signature"] = true, ["signature-input"] = true, ["true-client-ip"] = true,
    ["x-client-ip"] = true, ["x-http-method-override"] = true, ["x-method-override"] = true, ["x-real-ip"] = true,
    ["x-request-id"] = true, ["x-rewrite-url"] = true, ["x-session-id"] = true,
}

-- Names that only the gateway may use, and names that a server behind may read as another.
local function is_claim(name)
    return EXACT[name] or name:find("^x%-user%-") or name:find("^x%-forwarded%-") or name:find("^x%-original%-")
        or name:find("[^a-z0-9-]")
end

-- The client's headers without claims, and those claims out of the request.
local function cleaned(txn)
    local question = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if is_claim(name) then
            txn.http:req_del_header(name)
        elseif not FRAMING[name] then
            question[name] = {}
            for index = 0, #values do
                table.insert(question[name], values[index])
            end
        end
    end
    return question
end

local function refuse(txn, answer)
    local reply = txn:reply()
    local status = answer and answer.status or 0
    if status < 400 then
        reply:set_status(503)
        txn:done(reply)
    end
    reply:set_status(status)
    for name, values in pairs(answer.headers or {}) do
        if not FRAMING[name] then
            for index = 0, #values do
                reply:add_header(name, values[index])
            end
        end
    end
    reply:set_body(answer.body or "")
    txn:done(reply)
end

core.register_action("forward-auth", { "http-req" }, function(txn)
    local question = cleaned(txn)
    question["x-forwarded-method"] = { txn.sf:method() }
    question["x-forwarded-uri"] = { txn.sf:pathq() }
    question["x-forwarded-host"] = { txn.sf:req_hdr("host") }
    question["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    question["x-forwarded-for"] = { txn.sf:src() }

    local answer = core.httpclient():get({ url = GATEWAY, headers = question, timeout = PATIENCE })
    if not answer or answer.status ~= 200 then
        return refuse(txn, answer)
    end
    for _, name in ipairs(TOLD) do
        local values = answer.headers[name]
        -- Somebody else than the gateway answered.
        if not values then
            return refuse(txn, nil)
        end
        txn.http:req_set_header(name, values[0])
    end
    txn.http:req_del_header("authorization")
    txn:set_var("txn.may_pass", true)
end)
