// A question in a bar above the controls: a number is typed, or a person is clicked.

export class Ask {
  #answer = null;
  #wantsPerson = false;

  constructor({ form, text, value, cancel, changed }) {
    Object.assign(this, { form, text, value, changed });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const number = Number(this.value.value.replace(",", "."));
      if (this.value.value.trim() && Number.isFinite(number)) this.#close(number);
      else this.value.focus();
    });
    cancel.addEventListener("click", () => this.cancel());
    value.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.cancel();
    });
  }

  get isOpen() {
    return this.#answer !== null;
  }

  get wantsPerson() {
    return this.isOpen && this.#wantsPerson;
  }

  // A number, or null if it is cancelled.
  ask(text, { value = "", wantsPerson = false } = {}) {
    this.cancel();
    this.text.textContent = text;
    this.value.value = value;
    this.#wantsPerson = wantsPerson;
    this.form.hidden = false;
    this.value.focus();
    this.value.select();
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.changed();
    });
  }

  pick(id) {
    this.#close(id);
  }

  cancel() {
    if (this.isOpen) this.#close(null);
  }

  #close(value) {
    const answer = this.#answer;
    this.#answer = null;
    this.form.hidden = true;
    document.activeElement?.blur();
    answer(value);
    this.changed();
  }
}
