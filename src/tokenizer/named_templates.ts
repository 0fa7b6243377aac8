/**
 * Chat templates by name, for model files that have none: the formats of common families.
 *
 * @module
 */

const START_OF_ANSWER = "{% if add_generation_prompt %}";

/** System messages, which some formats have no turn for, as `system` with two line feeds behind. */
const SYSTEM_APART = "{% set first = messages[0] %}" +
  "{% set has_system = first.role in ['system', 'developer'] %}" +
  "{% set system = first.content + '\\n\\n' if has_system else '' %}" +
  "{% set turns = messages[1:] if has_system else messages %}";

/** Text of a turn; the first of a conversation begins with the system message. */
const CONTENT = "{% set content = (system if loop.first else '') + m.content %}";

/** Templates by name, in Jinja. */
export const NAMED_TEMPLATES: Readonly<Record<string, string>> = {
  chatml: "{% for m in messages %}" +
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
    `${START_OF_ANSWER}{{ '<|im_start|>assistant\\n' }}{% endif %}`,
  llama3: "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role +" +
    " '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}" +
    `${START_OF_ANSWER}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}`,
  gemma: `${SYSTEM_APART}{{ bos_token }}{% for m in turns %}${CONTENT}` +
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' +" +
    " content | trim + '<end_of_turn>\\n' }}{% endfor %}" +
    `${START_OF_ANSWER}{{ '<start_of_turn>model\\n' }}{% endif %}`,
  phi3: "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}" +
    `{% endfor %}${START_OF_ANSWER}{{ '<|assistant|>\\n' }}{% endif %}`,
  mistral: `${SYSTEM_APART}{{ bos_token }}{% for m in turns %}${CONTENT}` +
    "{{ ' ' + content | trim + eos_token if m.role == 'assistant'" +
    " else '[INST] ' + content + '[/INST]' }}{% endfor %}",
  llama2: "{% set first = messages[0] %}{% set has_system = first.role == 'system' %}" +
    "{% set system = '<<SYS>>\\n' + first.content + '\\n<</SYS>>\\n\\n' if has_system else '' %}" +
    `{% for m in (messages[1:] if has_system else messages) %}${CONTENT}` +
    "{{ ' ' + content | trim + ' ' + eos_token if m.role == 'assistant'" +
    " else bos_token + '[INST] ' + content | trim + ' [/INST]' }}{% endfor %}",
  zephyr: "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}" +
    `{% endfor %}${START_OF_ANSWER}{{ '<|assistant|>\\n' }}{% endif %}`,
  vicuna: `${SYSTEM_APART}{{ system }}{% for m in turns %}` +
    "{{ 'ASSISTANT: ' + m.content + eos_token + '\\n' if m.role == 'assistant'" +
    ` else 'USER: ' + m.content + '\\n' }}{% endfor %}` +
    `${START_OF_ANSWER}{{ 'ASSISTANT:' }}{% endif %}`,
};
