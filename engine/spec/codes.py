"""Every code that reading a document can give, in one line each. Those of its meaning stand in the compiler.

RB1xx is text, structure and scalars; RB2xx meaning; RB3xx lint. A code never changes its meaning, and none is reused.
"""

CODES = {
    "RB101": "The file is not UTF-8.",
    "RB102": "A character that cannot be seen, such as an escape or a mark that turns the direction of text.",
    "RB103": "Not YAML: a bracket, quote, colon or indentation that does not fit.",
    "RB104": "A tab where spaces indent.",
    "RB105": "Not one document: the file is empty, or a second one begins.",
    "RB106": "A YAML directive.",
    "RB107": "An anchor, alias, merge key or tag: a spec holds plain values only.",
    "RB108": "A key that stands twice in one mapping.",
    "RB109": "Larger than a spec may be: bytes, lines, values, nesting or the length of a text.",
    "RB110": "A key that is not one word.",
    "RB111": "A key that the language does not have in this place.",
    "RB112": "A measure that the vocabulary does not have.",
    "RB113": "A key that must be there and is not.",
    "RB114": "An `expr`, `all` or `any` that must be given a name.",
    "RB115": "A bot whose name is not that of its file.",
    "RB116": "A name that is not lower-case letters, digits and underscores.",
    "RB117": "A parameter that the spec does not have.",
    "RB118": "More, or less, than one of several keys of which exactly one is owed.",
    "RB119": "A document of a kind or version that this engine does not read.",
    "RB120": "A mapping, a list or a single value in a place that owes another of the three.",
    "RB121": "A list that is too short, too long, or holds one thing twice.",
    "RB122": "A modifier that may not stand beside what it stands beside.",
    "RB123": "An `accept` of a code that is not a warning.",
    "RB151": "A number not written in plain decimal digits.",
    "RB152": "A value without its unit, with a wrong one, or of another shape than its place owes.",
    "RB153": "A word that is none of those its place takes.",
    "RB156": "A number outside its range.",
    "RB157": "A number that is not whole where a count is owed.",
    "RB204": "A loss said as a price, or a cost said as a part: the two ways of saying a stop are kept apart.",
    "RB214": "A let or a leg whose name is already a word of the language.",
    "RB270": "Two rules of one list with the same name.",
    "RB301": "A parameter that stands nowhere.",
}
