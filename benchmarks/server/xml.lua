-- The little XML that S3 speaks.

local xml = {}

xml.HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

local TO = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\n"] = "&#10;" }
local FROM = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

function xml.escape(text) return (text:gsub('[&<>"\n]', TO)) end

function xml.plain(text)
    return (text:gsub("&(#?)(%w+);", function(number, name)
        if number == "" then return FROM[name] end
        local code = name:match "^[xX](%x+)$"
        code = code and tonumber(code, 16) or tonumber(name)
        return code and code < 128 and string.char(code) or nil
    end))
end

-- The content of the first element of this name, or nil.
function xml.element(text, name)
    local found = text:match("<" .. name .. "[^>]*>(.-)</" .. name .. ">")
    return found and xml.plain(found)
end

return xml
