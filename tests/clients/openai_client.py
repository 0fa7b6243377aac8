"""The official Python client, strict about every answer, against the server at BASE_URL.

Run by tests/clients/python_test.ts, whose engine answers by script.
"""

import os
import sys

import openai

BASE_URL = os.environ["BASE_URL"]
MESSAGES = [{"role": "user", "content": "hi"}]
TOOLS = [{
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def make_client(key="secret", is_strict=True):
    return openai.OpenAI(
        api_key=key, base_url=BASE_URL, max_retries=0, _strict_response_validation=is_strict
    )


client = make_client()


def chat(**fields):
    return client.chat.completions.create(**{"model": "fake", "messages": MESSAGES, **fields})


def test_chat():
    answer = chat(logprobs=True, top_logprobs=2)
    assert answer.choices[0].message.content == "hello"
    assert "".join(each.token for each in answer.choices[0].logprobs.content) == "hello"
    assert answer.usage.completion_tokens == 5


def test_chat_streamed():
    text, usage = "", None
    for chunk in chat(stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    assert (text, usage.completion_tokens) == ("hello", 5)


def test_completions():
    # Without echo: this client's types have no null for the first token of a prompt.
    answer = client.completions.create(model="fake", prompt=[1, 2], logprobs=1)
    assert answer.choices[0].logprobs.tokens == list("hello")
    # Its types have no null for the finish reason of a chunk either.
    lenient = make_client(is_strict=False)
    stream = lenient.completions.create(model="fake", prompt="x", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "hello"


def test_models():
    assert [model.id for model in client.models.list()] == ["fake"]
    assert client.models.retrieve("fake").owned_by == "packkv"


def test_tools():
    call = chat(tools=TOOLS).choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Bonn"}')
    text = ""
    for chunk in chat(tools=TOOLS, stream=True):
        for part in chunk.choices[0].delta.tool_calls or []:
            text += part.function.arguments or ""
    assert text == '{"city":"Bonn"}'


def test_structured_output():
    schema = {"name": "person", "schema": PERSON, "strict": True}
    answer = chat(response_format={"type": "json_schema", "json_schema": schema})
    assert answer.choices[0].message.content == '{"name":"Ann","age":7}'


def test_responses():
    answer = client.responses.create(model="fake", input="hi")
    assert (answer.output_text, answer.status) == ("hello", "completed")
    types = [event.type for event in client.responses.create(model="fake", input="hi", stream=True)]
    assert types[0] == "response.created" and types[-1] == "response.completed"


def fails_with(kind, call):
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def test_errors():
    error = fails_with(openai.BadRequestError, lambda: chat(temperature=3))
    assert (error.param, error.code) == ("temperature", "invalid_value")
    assert fails_with(openai.BadRequestError, lambda: chat(max_tokens=9999)).code == (
        "context_length_exceeded"
    )
    fails_with(openai.NotFoundError, lambda: chat(model="other"))
    fails_with(openai.RateLimitError, lambda: chat(messages=[{"role": "user", "content": "full"}]))
    stranger = make_client("wrong")
    fails_with(openai.AuthenticationError, lambda: list(stranger.models.list()))


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
    sys.exit(0)
