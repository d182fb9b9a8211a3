"""Forms of the page of the stock."""

from django import forms


class MoveForm(forms.Form):
    """How many to take or to add."""

    amount = forms.IntegerField(min_value=1, max_value=999)
    direction = forms.TypedChoiceField(choices=((1, "Add"), (-1, "Take")), coerce=int)
