"""Anthropic's Python client, strict about every answer, against the server at BASE_URL.

Run by tests/clients/python_test.ts, whose engine answers by script.
"""

import os

import anthropic

client = anthropic.Anthropic(
    api_key="secret",
    base_url=os.environ["BASE_URL"].removesuffix("/v1"),
    max_retries=0,
    _strict_response_validation=True,
)
MESSAGES = [{"role": "user", "content": "hi"}]
WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def ask(**fields):
    return {"model": "fake", "max_tokens": 400, "messages": MESSAGES, **fields}


def test_message():
    answer = client.messages.create(**ask(system="Be brief."))
    assert [block.text for block in answer.content] == ["hello"]
    assert (answer.stop_reason, answer.usage.output_tokens) == ("end_turn", 5)


def test_message_streamed():
    with client.messages.stream(**ask()) as stream:
        texts = list(stream.text_stream)
        answer = stream.get_final_message()
    assert len(texts) > 1 and "".join(texts) == "hello"
    assert answer.stop_reason == "end_turn"


def test_tools():
    asked = ask(tools=[WEATHER], tool_choice={"type": "any"})
    answer = client.messages.create(**asked)
    [call] = answer.content
    assert (call.name, call.input, answer.stop_reason) == ("weather", {"city": "Bonn"}, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    said = {"role": "assistant", "content": [call]}
    later = [*MESSAGES, said, {"role": "user", "content": [result]}]
    assert client.messages.create(**ask(messages=later, tools=[WEATHER])).content


def test_count():
    assert client.messages.count_tokens(model="fake", messages=MESSAGES).input_tokens > 2


def test_models():
    [model] = client.models.list().data
    assert model.id == "fake" and client.models.retrieve("fake").id == "fake"


def test_errors():
    for fields, kind in [
        ({"model": "other"}, anthropic.NotFoundError),
        ({"messages": []}, anthropic.BadRequestError),
        ({"messages": [{"role": "user", "content": "x" * 9000}]}, anthropic.BadRequestError),
    ]:
        try:
            client.messages.create(**ask(**fields))
        except kind as error:
            assert error.body["type"] == "error" and error.request_id
        else:
            raise AssertionError(f"{fields} is answered")


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print("ok", name)
